import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, type IncomingMessage, type RequestListener, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { createDrain } from '@connected-registry/edge-module/drain.ts'
import { openRegistryServer } from '../../modules/connected-registry/src/registry-server.ts'

/** A server whose closing would take for ever, and a client that keeps its connections. */
async function open(t: TestContext, onRequest: RequestListener, { drainMs = 2 ** 30, betweenMs = 2 ** 30 } = {}) {
  const server = await openRegistryServer({
    host: '127.0.0.1',
    port: 0,
    onRequest,
    drainMs,
    drain: createDrain({ betweenMs })
  })
  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  async function get(path = '/', method = 'GET'): Promise<IncomingMessage> {
    const outgoing = request({ host: '127.0.0.1', port: server.port, agent, path, method }).end()
    const [incoming] = await once(outgoing, 'response')
    return incoming as IncomingMessage
  }
  return { server, get }
}

test('an answer that is under way may end, and then its connection goes', async (t) => {
  const going = Promise.withResolvers<void>()
  const { server, get } = await open(t, async (_, response) => {
    response.write('begun ')
    await going.promise
    response.end('ended')
  })
  const incoming = await get()

  const closed = server.close()
  going.resolve()

  assert.equal(await text(incoming), 'begun ended')
  await closed
})

test('a connection that only waits does not hold up the end', async (t) => {
  const { server, get } = await open(t, (_, response) => response.end('x'))
  assert.equal(await text(await get()), 'x')

  await server.close()
})

test('an answer that does not end is cut when its time is over', async (t) => {
  const { server, get } = await open(t, (_, response) => void response.write('begun'), { drainMs: 1 })
  const incoming = await get()
  const cut = once(incoming, 'error')

  await server.close()

  assert.equal((await cut)[0].code, 'ECONNRESET')
})

test('a port that is taken is the failure to open', async (t) => {
  const { server } = await open(t, () => {})
  t.after(() => server.close())

  const second = openRegistryServer({
    host: '127.0.0.1',
    port: server.port,
    onRequest: () => {},
    drainMs: 1,
    drain: createDrain()
  })

  await assert.rejects(second, { code: 'EADDRINUSE' })
})

test('as long as an answer is under way the port is open, so that whoever asks is told', async (t) => {
  const going = Promise.withResolvers<void>()
  const { server, get } = await open(t, async ({ url }, response) => {
    if (url === '/slow') await going.promise
    response.end(url)
  })
  const slow = get('/slow')
  assert.equal(await text(await get('/before')), '/before')

  const closed = server.close()
  const during = await text(await get('/during'))
  going.resolve()
  await closed

  assert.deepEqual([during, await text(await slow)], ['/during', '/slow'])
  await assert.rejects(get('/after'))
})

test('a push is under way between its requests, until the manifest ends it', async (t) => {
  const { server, get } = await open(t, (_, response) => response.end())
  const session = '/v2/app/blobs/uploads/1'
  ;(await get(session, 'PATCH')).resume()

  const closed = server.close()
  const answers = [await get(session, 'PUT'), await get('/v2/app/manifests/v1', 'PUT')]

  assert.deepEqual(
    answers.map(({ statusCode }) => statusCode),
    [200, 200]
  )
  await closed
})

test('a manifest that is refused does not end a push: anybody may send one', async (t) => {
  const { server, get } = await open(t, ({ headers, url }, response) => {
    if (url === '/v2/app/manifests/refused') response.statusCode = 401
    response.end(headers.host)
  })
  ;(await get('/v2/app/blobs/uploads/1', 'PATCH')).resume()

  const closed = server.close()
  const refused = await get('/v2/app/manifests/refused', 'PUT')
  refused.resume()
  await once(refused, 'close')
  const pushed = await get('/v2/app/manifests/v1', 'PUT')

  assert.deepEqual([refused.statusCode, pushed.statusCode], [401, 200])
  await closed
})

test('a push that does not go on is waited for no longer than it takes a client to come again', async (t) => {
  const { server, get } = await open(t, (_, response) => response.end(), { betweenMs: 1 })
  ;(await get('/v2/app/blobs/uploads/', 'POST')).resume()

  await server.close()
})
