import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Resolve } from '../../../modules/connected-registry/src/parent/address-guard.ts'
import { content, layer } from './a-layer.ts'
import { basic, bytesOf, collect, connectionTo, openParent } from './parent-rig.ts'
import { byPath, endless, failing, json, type Script, scriptedServer } from './scripted-server.ts'
import { assertNoCredentials, tokenParent } from './token-parent.ts'

const metadataService = '169.254.169.254'

/** A name server that answers a name with the next address each time, the last one again and again. */
function nameServer(answers: Readonly<Record<string, readonly string[]>>) {
  const asked: string[] = []
  const resolve: Resolve = (host, _, callback) => {
    const addresses = answers[host] ?? []
    const address = addresses[Math.min(asked.filter((name) => name === host).length, addresses.length - 1)]
    asked.push(host)
    const missing = Object.assign(new Error(`${host} is unknown`), { code: 'ENOTFOUND' })
    if (address === undefined) callback(missing, [])
    else callback(null, [{ address, family: address.includes(':') ? 6 : 4 }])
  }
  return { asked, resolve }
}

/** A server on loopback under a name that only the test's name server knows, and whose connections end with each answer. */
async function namedParent(t: TestContext, script: Script) {
  const server = await scriptedServer(t, (request, response) => {
    response.setHeader('connection', 'close')
    script(request, response)
  })
  return { ...server, host: `reg.test:${server.port}` }
}

const atOnce = { retry: { retries: 0 } }

for (const address of [metadataService, '::ffff:a9fe:a9fe', '64:ff9b::a9fe:a9fe', 'fe80::1', '169.254.1.1']) {
  test(`a redirect to a host of the parent that is ${address} is not connected to`, async (t) => {
    const redirect: Script = (_, response) =>
      response.writeHead(307, { location: `http://reg.west.data.test:80/metadata` }).end()
    const server = await namedParent(t, redirect)
    const { resolve, asked } = nameServer({ 'reg.test': ['127.0.0.1'], 'reg.west.data.test': [address] })
    const connection = connectionTo(server.host, 'http', `reg.west.data.test:${server.port}`)
    const { parent, signal } = openParent(t, connection, { resolve, ...atOnce })

    await assert.rejects(
      parent
        .repository('app')
        .blob(layer, 0, signal)
        .then(({ bytes }) => bytesOf(bytes)),
      {
        code: 'ADDRESS_REFUSED',
        retryable: false,
        message: /reg\.west\.data\.test\/metadata is not connected to: at a (?:metadata|link-local) address/
      }
    )

    assert.deepEqual(asked, ['reg.test', 'reg.west.data.test'])
  })
}

test('a parent whose name comes to mean another kind of address is not connected to', async (t) => {
  const server = await namedParent(t, json(200, {}))
  const { resolve } = nameServer({ 'reg.test': ['127.0.0.1', metadataService, '127.0.0.1'] })
  const { parent, signal } = openParent(t, server.host, { resolve, ...atOnce })

  await parent.ping(signal)
  await assert.rejects(parent.ping(signal), { code: 'ADDRESS_REFUSED' })
  await parent.ping(signal)

  assert.equal(server.asked.length, 2)
})

const filler = Buffer.alloc(65_536, ' ')
const registry = { tags: '/v2/app/tags/list', manifest: '/v2/app/manifests/v1', blob: `/v2/app/blobs/${layer.digest}` }
const lists = (rig: ReturnType<typeof openParent>) => collect(rig.parent.repository('app').listTags(rig.signal))

test('no answer is read without an end', async (t) => {
  const bodies: Readonly<Record<string, Script>> = {
    'an endless list': byPath({ [registry.tags]: endless(filler) }),
    'an endless refusal': endless(filler, {}, 404)
  }
  for (const [name, script] of Object.entries(bodies)) {
    const server = await scriptedServer(t, script)
    const rig = openParent(t, server.host, atOnce)

    await assert.rejects(lists(rig), { code: /BAD_ANSWER|NOT_FOUND/ }, name)

    assert.ok(rig.dispatcher.traffic().receivedBytes < 20 << 20, name)
  }
})

test('an endless answer of the token endpoint, good or bad, ends', async (t) => {
  for (const token of [endless(filler), endless(filler, {}, 401)]) {
    const server = await tokenParent(t, { token })
    const rig = openParent(t, server.host, atOnce)

    await assert.rejects(lists(rig), { code: /BAD_ANSWER|UNAUTHORIZED/ })

    assert.ok(rig.dispatcher.traffic().receivedBytes < 4 << 20)
  }
})

test('what is packed is not unpacked', async (t) => {
  const bomb = gzipSync(Buffer.alloc(64 << 20))
  const packed: Script = (_, response) =>
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'application/json' }).end(bomb)
  const server = await tokenParent(t, { token: packed })
  const open = await scriptedServer(t, packed)

  await assert.rejects(lists(openParent(t, server.host, atOnce)), { code: 'BAD_ANSWER', message: /Content-Encoding/ })
  await assert.rejects(lists(openParent(t, open.host, atOnce)), { code: 'BAD_ANSWER', message: /Content-Encoding/ })
})

test('headers have an end, and a time', async (t) => {
  const wordy = await rawServer(t, (write) => repeat(() => write(`x-filler: ${'y'.repeat(1000)}\r\n`)))
  const hinting = await rawServer(t, (write) => repeat(() => write('\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n')))
  const timeouts = { answerMs: 300 }
  const blob = ({ parent, signal }: ReturnType<typeof openParent>) => parent.repository('app').blob(layer, 0, signal)

  await assert.rejects(lists(openParent(t, wordy, atOnce)), { code: 'BAD_ANSWER' })
  await assert.rejects(lists(openParent(t, hinting, { ...atOnce, timeouts })), { code: 'TIMEOUT' })
  await assert.rejects(blob(openParent(t, hinting, { ...atOnce, timeouts })), { code: 'TIMEOUT' })
})

test('what comes in place of a blob has less time than a blob', async (t) => {
  for (const status of [200, 307, 401, 404]) {
    const server = await scriptedServer(t, (_, response) => {
      response.writeHead(status, { location: '/elsewhere', 'content-length': content.length })
      const drip = setInterval(() => response.write('.'), 25)
      response.on('close', () => clearInterval(drip))
    })
    const rig = openParent(t, server.host, { ...atOnce, timeouts: { answerMs: 500 } })
    const arrived = rig.parent
      .repository('app')
      .blob(layer, 0, rig.signal)
      .then(({ bytes }) => bytesOf(bytes))

    if (status === 200) assert.equal((await arrived).length, content.length)
    else await assert.rejects(arrived, { name: 'ParentError' })
  }
})

test('after https nothing is sent by http, and no credential to where a list goes on', async (t) => {
  const thief = await scriptedServer(t, json(200, { name: 'app', tags: ['stolen'] }))
  const guarded: Script = (request, response) => {
    const next = json(
      200,
      { name: 'app', tags: ['v1'] },
      { link: `<http://localhost:${thief.port}/v2/app/tags/list?last=v1>; rel="next"` }
    )
    const ask = failing(401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="parent"' })
    if (request.headers.authorization === basic) next(request, response)
    else ask(request, response)
  }
  const server = await scriptedServer(t, guarded)

  await assert.rejects(lists(openParent(t, server.host, atOnce)), { code: 'BAD_ANSWER' })

  assert.deepEqual(thief.asked, [])
  assertNoCredentials(thief)
})

/** Answers a request with a status line and whatever comes then. Its address. */
async function rawServer(t: TestContext, script: (write: (text: string) => boolean) => () => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write('HTTP/1.1 103 Early Hints\r\n')
      socket.once(
        'close',
        script((text) => socket.write(text))
      )
    })
  })
  server.listen(0, '127.0.0.1')
  t.after(async () => {
    const closed = once(server, 'close')
    server.close()
    await closed
  })
  await once(server, 'listening')
  const address = server.address()
  return typeof address === 'object' && address ? `127.0.0.1:${address.port}` : ''
}

function repeat(act: () => void): () => void {
  const timer = setInterval(act, 2)
  return () => clearInterval(timer)
}
