import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request
} from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { TestContext } from 'node:test'
import { createLog } from '@connected-registry/edge-module/log.ts'
import { type Access, createAccess } from '../../../modules/connected-registry/src/access/access.ts'
import type { Mode } from '../../../modules/connected-registry/src/access/authorize.ts'
import { hashPassword } from '../../../modules/connected-registry/src/access/passwords.ts'
import { loadSigningKeys } from '../../../modules/connected-registry/src/access/signing-keys.ts'
import type { Token } from '../../../modules/connected-registry/src/access/tokens.ts'
import type { Child } from '../../../modules/connected-registry/src/children/child.ts'
import { type Children, createChildren } from '../../../modules/connected-registry/src/children/children.ts'
import { loadEpoch } from '../../../modules/connected-registry/src/children/epoch.ts'
import type { Obstacle } from '../../../modules/connected-registry/src/http/health.ts'
import type { Metrics } from '../../../modules/connected-registry/src/http/metrics.ts'
import type { RequestCounts } from '../../../modules/connected-registry/src/http/request-counts.ts'
import type { RouteOptions } from '../../../modules/connected-registry/src/http/routes.ts'
import { createHttpHandler, serverOptions } from '../../../modules/connected-registry/src/http/server.ts'
import type { Refuses } from '../../../modules/connected-registry/src/http/stopping.ts'
import { parseScopeMap } from '../../../modules/connected-registry/src/protocol/scope-map.ts'
import { createRegistry } from '../../../modules/connected-registry/src/registry/create-registry.ts'
import type { Registry } from '../../../modules/connected-registry/src/registry/registry.ts'
import type { BlobStore } from '../../../modules/connected-registry/src/storage/blob-store.ts'
import { createMemoryBlobStore } from '../../../modules/connected-registry/src/storage/memory-blobs.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import type { RecordStore } from '../../../modules/connected-registry/src/storage/record-store.ts'
import type { BuiltImage } from '../../fixtures/image-builder.ts'
import { nobodysHash } from '../access/some-tokens.ts'

export const password = 'pass:with:colons'
// One hash for all tests of a process: it costs on purpose.
const passwordHash = hashPassword(password, 12)

export interface ServedRegistry {
  readonly port: number
  readonly registry: Registry
  readonly access: Access
  readonly children: Children
  /** What its router is made of. */
  readonly routing: RouteOptions
  readonly log: () => string
  /** Settings that a test may change while it runs. */
  readonly settings: { tokens: readonly Token[]; mode: Mode; children: readonly Child[]; isSynced: boolean }
  send(method: string, path: string, headers?: OutgoingHttpHeaders, body?: Uint8Array): Promise<Answer>
  /** An access token for `scope`. */
  bearer(scope: string, name?: string): Promise<string>
  hold(repository: string, image: BuiltImage, tag?: string): Promise<void>
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly bytes: Buffer
  readonly text: string
  /** The code of an error answer. */
  readonly code: string | undefined
}

export interface ServeOptions {
  readonly loginServer?: string
  readonly obstacles?: readonly Obstacle[]
  readonly refuses?: Refuses
  readonly metrics?: Metrics
  readonly requests?: RequestCounts
  readonly blobs?: BlobStore
  readonly records?: RecordStore
  readonly registry?: (registry: Registry) => Registry
  /** Of access; milliseconds since 1970. */
  readonly now?: () => number
}

/** A registry in memory behind real HTTP. Tokens: `reader` (app/*, content/read) and `writer` (everything on app/*). */
export async function serveRegistry(t: TestContext, options: ServeOptions = {}): Promise<ServedRegistry> {
  const blobs = options.blobs ?? createMemoryBlobStore()
  const records = options.records ?? createMemoryRecordStore()
  const made = await createRegistry({ blobs, records })
  const registry = options.registry?.(made) ?? made
  const settings: ServedRegistry['settings'] = {
    tokens: await someTokens(),
    mode: 'ReadOnly',
    children: [],
    isSynced: true
  }
  const signingKeys = await loadSigningKeys(records)
  const lines: string[] = []
  const log = createLog({ module: 'test', level: 'Debug', destination: { write: (line) => void lines.push(line) } })
  const access = createAccess({
    tokens: () => settings.tokens,
    signingKeys,
    instanceId: 'instance-1',
    log,
    now: options.now,
    nobodysHash
  })
  const children = createChildren({
    records,
    changes: made.changes,
    epoch: await loadEpoch(records, 'instance-1'),
    current: () => settings.children,
    isSynced: () => settings.isSynced,
    mode: () => settings.mode,
    ancestors: () => ['above-1'],
    now: options.now
  })
  t.after(() => children.close())
  const { loginServer } = options
  const routing: RouteOptions = {
    registry,
    children,
    access,
    mode: () => settings.mode,
    status: () => ({ connectionState: 'Offline' }),
    metrics: options.metrics ?? (async () => []),
    readiness: () => options.obstacles ?? []
  }
  const handler = createHttpHandler({
    ...routing,
    refuses: options.refuses,
    requests: options.requests,
    loginServer,
    log
  })
  const server = createServer(serverOptions, handler)
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  return {
    port,
    registry,
    access,
    children,
    routing,
    settings,
    log: () => lines.join(''),
    send: (method, path, headers, body) => exchange(port, method, path, headers, body),
    async bearer(scope, name = 'reader') {
      const path = `/acr/oauth2/token?service=127.0.0.1:${port}&scope=${scope}`
      const answer = await exchange(port, 'GET', path, basic(name))
      return (JSON.parse(answer.text) as { access_token: string }).access_token
    },
    async hold(repository, image, tag) {
      await put(image, tag)

      async function put({ blobs: contents, children, manifest }: BuiltImage, name?: string): Promise<void> {
        for (const child of children) await put(child)
        for (const [digest, bytes] of contents) {
          const id = await blobs.beginUpload()
          await blobs.append(id, chunks(bytes), { at: 0 })
          await blobs.commit(id, digest)
          await registry.blobs.link(repository, { digest, mediaType: 'application/octet-stream' })
        }
        await registry.manifests.put(repository, manifest, { origin: 'parent', tag: name })
      }
    }
  }
}

async function* chunks(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}

export async function aToken(name: string, actions: readonly string[]): Promise<Token> {
  const { scopeMap } = parseScopeMap(actions)
  return { name, status: 'enabled', passwords: [{ hash: await passwordHash }], scopeMap }
}

async function someTokens(): Promise<readonly Token[]> {
  const all = ['content/read', 'content/write', 'content/delete', 'metadata/read', 'metadata/write']
  return [
    await aToken('reader', ['repositories/app/*/content/read']),
    await aToken(
      'writer',
      all.map((action) => `repositories/app/*/${action}`)
    )
  ]
}

export function basic(name = 'reader', secret: string = password): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}` }
}

export function bearerHeader(accessToken: string): { authorization: string } {
  return { authorization: `Bearer ${accessToken}` }
}

/** The path goes out as it is: no client library tidies it up first. */
function exchange(
  port: number,
  method: string,
  path: string,
  headers: OutgoingHttpHeaders = {},
  body?: Uint8Array
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const framed = body ? { 'content-length': body.length, ...headers } : headers
    const outgoing = request({ host: '127.0.0.1', port, method, path, headers: framed, agent: false }, (response) => {
      readAnswer(response).then(resolve, reject)
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

export async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const parts: Buffer[] = []
  for await (const part of response) parts.push(part as Buffer)
  const bytes = Buffer.concat(parts)
  const text = bytes.toString()
  return { status: response.statusCode!, headers: response.headers, bytes, text, code: codeIn(text) }
}

/** Bytes on a socket, and everything that comes back until the other side closes it. */
export function rawExchange(port: number, sent: string | Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(sent))
    let received = ''
    socket.on('data', (part: Buffer) => {
      received += part.toString('latin1')
    })
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' ? resolve(received) : reject(error)
    )
    socket.on('close', () => resolve(received))
  })
}

function codeIn(text: string): string | undefined {
  return text.startsWith('{"errors":')
    ? (JSON.parse(text) as { errors: readonly { code: string }[] }).errors[0]?.code
    : undefined
}
