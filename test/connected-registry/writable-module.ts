import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { passwordHash } from '../fixtures/password-hash.ts'
import { basicAuthorization } from '../fixtures/push-image.ts'
import { createModuleProcess } from '../simulators/module-process.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'

const main = new URL('../../modules/connected-registry/src/main.ts', import.meta.url)
const writer = 'writer'
const password = 'secret'

/** What the client of a writable module shows. */
export const authorization = basicAuthorization(writer, password)

/** The module as a process of its own, not yet started, in ReadWrite mode, on a data volume that outlives it. */
export interface WritableModule {
  readonly dataVolume: string
  /** Where it listens now. */
  readonly url: () => string
  start(): Promise<void>
  stop(signal: NodeJS.Signals): Promise<unknown>
  /** A request of a client that may do everything. */
  send(method: string, path: string, headers?: Record<string, string>, body?: Uint8Array): Promise<Response>
}

/** @param more settings besides the mode and the client, a parent for example */
export async function aWritableModule(
  t: TestContext,
  more: Readonly<Record<string, unknown>> = {}
): Promise<WritableModule> {
  const folder = await temporaryFolder()
  const [settings, dataVolume] = [join(folder, 'settings.json'), join(folder, 'data')]
  const actions = ['read', 'write', 'delete'].map((verb) => `repositories/*/content/${verb}`)
  const clientTokens = [{ name: writer, passwords: [{ hash: passwordHash(password) }], actions }]
  await writeFile(settings, JSON.stringify({ mode: 'ReadWrite', clientTokens, ...more }))
  const environment = {
    ACR_REGISTRY_DATA_VOLUME: dataVolume,
    ACR_REGISTRY_SETTINGS: settings,
    ACR_REGISTRY_HOST: '127.0.0.1',
    ACR_REGISTRY_PORT: '0'
  }
  const module = createModuleProcess({ name: 'connected-registry', main, environment, ready: 'registry started' })
  t.after(() => module.stop('SIGKILL'))
  const url = () => `http://127.0.0.1:${module.lines.findLast(({ msg }) => msg === 'registry started')?.port}`
  return {
    dataVolume,
    url,
    start: module.start,
    stop: module.stop,
    send(method, path, headers = {}, body) {
      const init = { method, headers: { authorization, ...headers }, signal: AbortSignal.timeout(60_000) }
      return fetch(new URL(path, url()), { ...init, ...(body && { body: Buffer.from(body) }) })
    }
  }
}
