import type { TestContext } from 'node:test'
import { freePorts } from '../fixtures/ports.ts'
import { basicAuthorization } from '../fixtures/push-image.ts'
import { createModuleProcess } from '../simulators/module-process.ts'
import { client } from './running-app.ts'

export const authorization = basicAuthorization(client.name, client.password)

/** The module as its container runs it, on a port of its own. */
export async function aProcess(t: TestContext, environment: Readonly<Record<string, string>>) {
  const [port] = await freePorts(1)
  const module = createModuleProcess({
    name: 'connected-registry',
    main: new URL('../../modules/connected-registry/src/main.ts', import.meta.url),
    environment: { ACR_REGISTRY_HOST: '127.0.0.1', ACR_REGISTRY_PORT: String(port), ...environment },
    ready: 'registry started'
  })
  t.after(() => module.stop('SIGKILL'))
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization } })
  return { module, get, port }
}
