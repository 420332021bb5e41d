import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { aProcess } from '../connected-registry/module-under-test.ts'
import { clientToken } from '../connected-registry/running-app.ts'
import { aSimulatedDevice, moduleId } from '../connected-registry/simulated-device.ts'
import { temporaryFolder } from '../connected-registry/storage/temporary-folder.ts'
import { createModuleProcess } from '../simulators/module-process.ts'

/** The door, before anything that it leads to is there. */
async function aDoor(t: TestContext, registryPort: number) {
  const door = createModuleProcess({
    name: 'api-proxy',
    main: new URL('../../modules/api-proxy/src/main.ts', import.meta.url),
    ready: 'door opened',
    environment: {
      API_PROXY_HOST: '127.0.0.1',
      API_PROXY_TLS: 'off',
      NGINX_DEFAULT_PORT: '0',
      CONNECTED_ACR_ROUTE_ADDRESS: `127.0.0.1:${registryPort}`
    }
  })
  t.after(() => door.stop('SIGKILL'))
  await door.start()
  const port = Number(door.lines.find(({ msg }) => msg === 'door opened')?.port)
  async function codes(): Promise<readonly string[]> {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: t.signal })
    const { reasons = [] } = (await answer.json()) as { reasons?: readonly { readonly code: string }[] }
    return reasons.map(({ code }) => code)
  }
  /** Resolves when the door says no less and no more. */
  async function says(...wanted: readonly string[]): Promise<void> {
    while ((await codes()).join() !== wanted.join()) t.signal.throwIfAborted()
  }
  return { door, says }
}

test('the modules start in the wrong order, and say what they wait for until all is there', {
  timeout: 60_000
}, async (t) => {
  const device = await aSimulatedDevice(t)
  await device.hub.setDesired(moduleId, { clientTokens: [await clientToken()] } as never)
  await device.hub.stop()
  const environment = { ...device.variables, ACR_REGISTRY_DATA_VOLUME: join(await temporaryFolder(), 'data') }
  const { module, port } = await aProcess(t, environment)

  const { door, says } = await aDoor(t, port!)
  await says('REGISTRY_UNREACHABLE')
  await module.start()
  await says('REGISTRY_NOT_READY', 'SETTINGS_AWAITED')
  await device.hub.start()
  await says()
  await module.stop()
  await says('REGISTRY_UNREACHABLE')

  assert.equal(await door.stop(), 0)
})
