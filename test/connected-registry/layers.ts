import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { hashPassword } from '../../modules/connected-registry/src/access/passwords.ts'
import type { BuiltImage } from '../fixtures/image-builder.ts'
import { basicAuthorization, pushImage } from '../fixtures/push-image.ts'
import { connectionString } from '../simulators/world.ts'
import { client, clientToken, type RunningApp, runApp } from './running-app.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'

/** One connected registry of several that stand under each other; its settings come from a file. */
export interface Layer extends RunningApp {
  readonly host: string
  readonly settings: Readonly<Record<string, unknown>>
  /** Changes some of its settings. */
  configure(more: Readonly<Record<string, unknown>>): Promise<void>
  push(repository: string, image: BuiltImage, tag: string): Promise<void>
  send(method: string, path: string, authorization?: string): Promise<Response>
  /** The digest that a tag names. */
  tag(repository: string, tag: string): Promise<string | undefined>
  /** Resolves when it is so; looked at whenever this registry logs anything. */
  until(isSo: () => Promise<boolean>): Promise<void>
}

export interface LayerOptions {
  /** Its file, before it is changed. */
  readonly settings: Readonly<Record<string, unknown>>
  readonly dataVolume?: string
  readonly port?: number
}

export const everything = ['content/read', 'content/write', 'content/delete', 'metadata/read', 'metadata/write']
const pauses = {
  ...{ retryMs: 200, failedMs: 20, plainMs: 200, doubtMs: 100, waitMs: 1000 },
  ...{ leastReportMs: 0, gatherMs: 0, reportMs: 1000 }
}
const authorization = basicAuthorization(client.name, client.password)

export async function openLayer(t: TestContext, { settings, ...options }: LayerOptions): Promise<Layer> {
  const file = join(await temporaryFolder(), 'settings.json')
  let current: Readonly<Record<string, unknown>> = {}
  const configure = async (more: Readonly<Record<string, unknown>>) => {
    current = { ...current, ...more }
    await writeFile(`${file}.new`, JSON.stringify(current))
    await rename(`${file}.new`, file)
  }
  // Every line that it logs is a moment to look again.
  await configure({ logLevel: 'Debug', ...settings })
  const app = await runApp(t, {
    ...options,
    settingsFile: file,
    settings: { clientTokens: undefined },
    gatewayPauses: pauses
  })
  const host = `127.0.0.1:${app.port}`
  const url = `http://${host}`

  async function send(method: string, path: string, credentials = authorization): Promise<Response> {
    const answer = await fetch(`${url}${path}`, { method, headers: { authorization: credentials }, signal: t.signal })
    await answer.arrayBuffer()
    return answer
  }

  return {
    ...app,
    host,
    get settings() {
      return current
    },
    configure,
    send,
    push: (repository, image, tag) => pushImage(image, { url, repository, tag, authorization }),
    async tag(repository, tag) {
      const answer = await send('HEAD', `/v2/${repository}/manifests/${tag}`)
      return answer.ok ? (answer.headers.get('docker-content-digest') ?? undefined) : undefined
    },
    async until(isSo) {
      for (;;) {
        const from = app.lines.length
        if (await isSo()) return
        // Looking is logged, too.
        await app.line(({ msg, method }) => msg !== 'request answered' || (method !== 'GET' && method !== 'HEAD'), from)
      }
    }
  }
}

/** A client of every layer, and of this one. */
export async function aClient(): Promise<object> {
  return clientToken({ actions: everything.map((action) => `repositories/*/${action}`) })
}

export interface ChildEntry {
  readonly name: string
  readonly password: string
}

/** An entry of `children[]`. */
export async function childEntry({ name, password }: ChildEntry, more: Readonly<Record<string, unknown>> = {}) {
  const passwords = [{ hash: await hashPassword(password, 12) }]
  return {
    name,
    syncToken: { name, passwords },
    repositories: ['plant/a', 'plant/b'],
    clientTokens: [client.name],
    ...more
  }
}

/** All that a child is configured with itself. */
export function below(parent: string, child: ChildEntry): Readonly<Record<string, unknown>> {
  return { connectionString: connectionString(child, parent) }
}
