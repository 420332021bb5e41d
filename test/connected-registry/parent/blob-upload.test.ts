import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type TestContext, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { receivedBytes } from '../../../modules/connected-registry/src/parent/blob-upload.ts'
import { openParent } from './parent-rig.ts'
import { type Script, scriptedServer } from './scripted-server.ts'
import { someBlob } from './some-blob.ts'

/** An upload session at a place that the script names, which takes what it is sent. */
function session(location: (host: string) => string, begun: Readonly<Record<string, string>> = {}): Script {
  let received = 0
  const state = (request: IncomingMessage) => ({
    location: location(request.headers.host ?? ''),
    range: `0-${Math.max(0, received - 1)}`
  })
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    if (request.method === 'POST') response.writeHead(202, { ...state(request), ...begun }).end()
    else if (request.method === 'PATCH') response.writeHead(202, state(request)).end()
    else if (request.method === 'PUT') response.writeHead(201).end()
    else response.writeHead(404).end()
  }
  return (request, response) => {
    request.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
    request.on('end', () => answer(request, response))
  }
}

function rigOf(t: TestContext, host: string) {
  const rig = openParent(t, host)
  return { ...rig, target: rig.parent.repository('app').target({ signal: rig.signal }) }
}

test('a parent that wants larger chunks gets them', async (t) => {
  const least = 12 * 1024 * 1024
  const script = session(() => '/elsewhere/1?state=a%2Bb=', { 'oci-chunk-min-length': String(least) })
  const server = await scriptedServer(t, script)
  const { target, signal } = rigOf(t, server.host)
  const { descriptor, source } = someBlob('chunks', 20_000_000)

  await target.putBlob(descriptor, source, signal)

  const chunks = server.asked.filter(({ method }) => method === 'PATCH').map(({ headers }) => headers['content-range'])
  assert.deepEqual(chunks, [`0-${least - 1}`, `${least}-19999999`])
  const last = server.asked.at(-1)
  const digest = encodeURIComponent(descriptor.digest)
  assert.equal(last?.target, `/elsewhere/1?state=a%2Bb=&digest=${digest}`, 'what the parent wrote comes back as it was')
})

test('a session behind a proxy that ends TLS may call itself by another scheme, on no other host', async (t) => {
  const server = await scriptedServer(
    t,
    session((host) => `https://${host}/elsewhere/1`)
  )
  const { target, signal } = rigOf(t, server.host)
  const { descriptor, source } = someBlob('scheme', 1000)

  await target.putBlob(descriptor, source, signal)

  assert.equal(server.asked.at(-1)?.target, `/elsewhere/1?digest=${encodeURIComponent(descriptor.digest)}`)
})

for (const location of [
  'http://other.example/uploads/1',
  'http://127.0.0.1:1/uploads/1',
  'http://[',
  'ftp://127.0.0.1/'
])
  test(`no content goes to ${location}`, async (t) => {
    const server = await scriptedServer(
      t,
      session(() => location)
    )
    const { target, signal } = rigOf(t, server.host)
    const { descriptor, source } = someBlob('elsewhere', 1000)

    await assert.rejects(target.putBlob(descriptor, source, signal), (error: { code?: string }) =>
      ['REDIRECT_REFUSED', 'BAD_ANSWER'].includes(error.code ?? '')
    )

    assert.deepEqual(
      server.asked.map(({ method }) => method),
      ['POST']
    )
  })

test('a parent that names another digest than ours has not taken what we sent', async (t) => {
  const other = someBlob('other', 10).descriptor.digest
  const server = await scriptedServer(t, (request, response) => {
    request.resume()
    const headers = request.method === 'PUT' ? { 'docker-content-digest': other } : { location: '/uploads/1' }
    request.on('end', () => response.writeHead(request.method === 'PUT' ? 201 : 202, headers).end())
  })
  const { target, signal } = rigOf(t, server.host)
  const { descriptor, source } = someBlob('ours', 1000)

  await assert.rejects(target.putBlob(descriptor, source, signal), { code: 'BAD_ANSWER' })
})

test('a parent that refuses an upload amid its body and closes at once is heard, and is not asked again', async (t) => {
  const parent = new Worker(new URL('./abrupt-parent.ts', import.meta.url))
  t.after(() => parent.terminate())
  const [port] = (await once(parent, 'message')) as [number]
  const { target, signal, dispatcher } = rigOf(t, `127.0.0.1:${port}`)

  for (const seed of ['one', 'two', 'three', 'four', 'five']) {
    const { descriptor, source } = someBlob(seed, 9_000_000)
    await assert.rejects(target.putBlob(descriptor, source, signal), { code: 'REFUSED', status: 413 })
  }

  const { requests, failures } = dispatcher.traffic()
  assert.deepEqual({ requests, failures }, { requests: 10, failures: 0 })
})

test('a source that fails fails the upload with its own error, once', async (t) => {
  const server = await scriptedServer(
    t,
    session(() => '/uploads/1')
  )
  const { target, signal } = rigOf(t, server.host)
  const { descriptor, source } = someBlob('broken', 1000)
  const broken = { ...source, blob: () => Promise.reject(new Error('the disk is gone')) }

  await assert.rejects(target.putBlob(descriptor, broken, signal), /the disk is gone/)
})

test('what a parent says to have is a number of bytes, or nothing follows', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 31), (last) => {
      assert.equal(receivedBytes(`0-${last}`), last === 0 ? 0 : last + 1)
    })
  )
  fc.assert(
    fc.property(fc.string(), (text) => {
      const bytes = receivedBytes(text)
      assert.ok(bytes === undefined || Number.isSafeInteger(bytes))
    })
  )
})
