import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import type { Answer } from '../../../modules/connected-registry/src/parent/answer.ts'
import type { Dispatcher } from '../../../modules/connected-registry/src/parent/dispatcher.ts'
import {
  createParentRegistry,
  type ParentRegistry,
  type ParentRepository
} from '../../../modules/connected-registry/src/parent/parent-registry.ts'
import type { ContentSource } from '../../../modules/connected-registry/src/protocol/content.ts'
import { createLog } from '../../../modules/edge-module/src/log.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { content, layer } from './a-layer.ts'
import { bytesOf, collect, connectionTo, manualClock, openDispatcher } from './parent-rig.ts'
import { scriptedServer } from './scripted-server.ts'

const image = anImage({ seed: 'ended' }).manifest
const { descriptor, bytes } = image

type Ask = (repository: ParentRepository, signal: AbortSignal, parent: ParentRegistry) => Promise<unknown>

/** About what, and how. */
const questions: Readonly<Record<string, Ask>> = {
  'the digest of a tag': (app, signal) => app.resolveTag('v1', signal),
  'whether a digest is there': (app, signal) => app.resolveDigest(descriptor.digest, signal),
  'a manifest': (app, signal) => app.manifest({ kind: 'tag', tag: 'v1' }, signal),
  'a blob': async (app, signal) => bytesOf((await app.blob(layer, 0, signal)).bytes),
  'a part of a blob': async (app, signal) => bytesOf((await app.blob(layer, 3, signal)).bytes),
  referrers: (app, signal) => app.referrers(descriptor.digest, signal),
  tags: (app, signal) => collect(app.listTags(signal)),
  attributes: (app, signal) => app.attributes(signal),
  repositories: (_, signal, parent) => collect(parent.catalog(signal)),
  'a greeting': (_, signal, parent) => parent.ping(signal),
  'a gateway': (_, signal, parent) => parent.gateway.probe(signal),
  'whether it holds a manifest': (app, signal) => app.target({ signal }).hasManifest(descriptor.digest),
  'whether it holds a blob': async (app, signal) => app.target({ signal }).adoptBlob?.(layer),
  'a blob to be taken': (app, signal) => app.target({ signal }).putBlob(layer, source, signal),
  'a manifest to be taken': (app, signal) => app.target({ signal }).putTag('v1', image),
  'a tag to go': (app, signal) => app.target({ signal }).removeTag('v1'),
  'a manifest to go': (app, signal) => app.target({ signal }).removeManifest(descriptor.digest)
}

const source: ContentSource = {
  manifest: async () => undefined,
  referrers: async () => [],
  async blob(_, start) {
    return { start, bytes: Readable.from([content.subarray(start)]) }
  }
}

/** Keeps in `open` the answers that are neither read to their end nor closed. */
function watched(dispatcher: Dispatcher, open: Set<{ readonly operation: string }>): Dispatcher {
  const watch = ({ body, close, ...answer }: Answer): Answer => {
    const kept = { operation: answer.operation, status: answer.status }
    open.add(kept)
    const end = () => open.delete(kept)
    async function* untilItsEnd() {
      try {
        yield* body
      } finally {
        end()
      }
    }
    const closing = () => {
      end()
      close()
    }
    return { ...answer, body: untilItsEnd(), close: closing }
  }
  return { ...dispatcher, request: (request, read) => dispatcher.request(request, (answer) => read(watch(answer))) }
}

for (const [name, ask] of Object.entries(questions)) {
  test(`what a parent answers about ${name} is read to its end or closed, whatever its status: else it stays in memory for ever`, async (t) => {
    for (const status of [200, 201, 202, 204, 206, 304, 307, 400, 401, 403, 404, 405, 409, 416, 429, 500, 503]) {
      const server = await scriptedServer(t, ({ method }, response) => {
        const body = status < 300 ? Buffer.from(bytes) : Buffer.from('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
        const headers = { 'content-type': descriptor.mediaType, 'docker-content-digest': descriptor.digest }
        const isWithout = status === 204 || status === 304
        const length = isWithout ? {} : { 'content-length': body.length }
        response.writeHead(status, { ...headers, ...length, location: 'http://elsewhere.example/v2/' })
        response.end(method === 'HEAD' || isWithout ? undefined : body)
      })
      const open = new Set<{ readonly operation: string }>()
      const patient = { retry: { retries: 0 }, breaker: { failures: 1000 } }
      const dispatcher = watched(openDispatcher(t, patient), open)
      const log = createLog({ module: 'test', level: 'None' })
      const connection = connectionTo(server.host)
      const parent = createParentRegistry({ connection, dispatcher, log, clock: manualClock() })

      await ask(parent.repository('team/app'), t.signal, parent).catch(() => 'refused')

      assert.ok(server.asked.length > 0)
      assert.deepEqual([...open], [], `answered by ${status}`)
    }
  })
}

test('what would have ended an answer in time ends with it, whether it was read, refused, closed or never came', async (t) => {
  const answerMs = 600_123
  const timers = watchTimers(t, answerMs)
  const server = await scriptedServer(t, ({ method, url }, response) => {
    if (url?.includes('cut')) return void response.destroy()
    response.writeHead(url?.includes('v1') ? 200 : 404, { 'content-length': 2 }).end(method === 'HEAD' ? '' : '{}')
  })
  const patient = { retry: { retries: 0 }, timeouts: { answerMs } }
  const dispatcher = openDispatcher(t, patient)
  const ask = (path: string, endless: boolean, read: (answer: Answer) => Promise<unknown>) => {
    const request = {
      operation: 'test',
      method: 'GET',
      url: new URL(path, server.url),
      signal: t.signal,
      endless
    } as const
    return dispatcher.request(request, read).catch(() => 'failed')
  }

  for (const endless of [false, true]) {
    await ask('v1', endless, ({ body }) => bytesOf(body))
    await ask('v2', endless, ({ body }) => bytesOf(body))
    await ask('v1', endless, async ({ close }) => close())
    await ask('v2', endless, async ({ close }) => close())
    assert.equal(await ask('cut', endless, ({ body }) => bytesOf(body)), 'failed')
  }

  assert.ok(timers.started >= 10)
  assert.equal(timers.running, 0)
})

/** Those of so many milliseconds that were neither cleared nor ran. */
function watchTimers(t: TestContext, watchedMs: number) {
  const running = new Set<NodeJS.Timeout>()
  let started = 0
  const [start, clear] = [setTimeout, clearTimeout]
  t.mock.method(globalThis, 'setTimeout', (act: () => void, ms?: number) => {
    const timer = start(act, ms)
    if (ms === watchedMs) {
      running.add(timer)
      started++
    }
    return timer
  })
  t.mock.method(globalThis, 'clearTimeout', (timer?: NodeJS.Timeout) => {
    if (timer) running.delete(timer)
    clear(timer)
  })
  return {
    get started() {
      return started
    },
    get running() {
      return running.size
    }
  }
}
