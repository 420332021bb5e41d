import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, readBody } from '../../../modules/connected-registry/src/parent/answer.ts'
import type { ParentRequest } from '../../../modules/connected-registry/src/parent/dispatcher.ts'
import { ParentError } from '../../../modules/connected-registry/src/parent/parent-error.ts'
import { manualClock, openDispatcher } from './parent-rig.ts'
import { failing, inTurn, json, type Script, scriptedServer, selfSigned } from './scripted-server.ts'

const read = async (answer: Answer) => Buffer.from(await readBody(answer, 1000)).toString()

function get(url: string, signal: AbortSignal): ParentRequest {
  return { operation: 'tags', method: 'GET', url: new URL('/v2/?secret=planted', url), signal }
}

const hang: Script = () => {}

test('a failing parent is asked again, at growing intervals', async (t) => {
  const server = await scriptedServer(
    t,
    inTurn(failing(503, 'UNAVAILABLE'), failing(500, 'UNKNOWN'), json(200, 'here'))
  )
  const clock = manualClock()
  const dispatcher = openDispatcher(t, { clock })

  assert.equal(await dispatcher.request(get(server.url, t.signal), read), '"here"')

  assert.equal(server.asked.length, 3)
  assert.deepEqual(clock.slept, [250, 500])
})

test('a parent that goes on failing ends in its own status and code', async (t) => {
  const server = await scriptedServer(t, failing(503, 'UNAVAILABLE'))
  const dispatcher = openDispatcher(t)

  await assert.rejects(dispatcher.request(get(server.url, t.signal), read), {
    name: 'ParentError',
    code: 'SERVER_ERROR',
    status: 503,
    parentCode: 'UNAVAILABLE',
    retryable: true,
    message: `tags: ${server.host}/v2/ failed (503 UNAVAILABLE)`
  })
  assert.equal(server.asked.length, 4)
})

test('429 is obeyed for as long as Retry-After says', async (t) => {
  const throttled = failing(429, 'TOOMANYREQUESTS', { 'retry-after': '17' })
  const server = await scriptedServer(t, inTurn(throttled, json(200, 'here')))
  const clock = manualClock()
  const dispatcher = openDispatcher(t, { clock })

  assert.equal(await dispatcher.request(get(server.url, t.signal), read), '"here"')

  assert.deepEqual(clock.slept, [17_000])
})

test('a Retry-After beyond what is waited for is told to the caller at once', async (t) => {
  const server = await scriptedServer(t, failing(429, 'TOOMANYREQUESTS', { 'retry-after': '3600' }))
  const dispatcher = openDispatcher(t)

  await assert.rejects(dispatcher.request(get(server.url, t.signal), read), {
    code: 'THROTTLED',
    retryAfterMs: 3_600_000
  })
  assert.equal(server.asked.length, 1)
})

test('a body that was cut is asked for again', async (t) => {
  const cut: Script = (_, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('some', () => response.destroy())
  }
  const server = await scriptedServer(t, inTurn(cut, json(200, 'whole')))
  const dispatcher = openDispatcher(t)

  assert.equal(await dispatcher.request(get(server.url, t.signal), read), '"whole"')
})

test('a body that is cut every time is a retryable error that names no query', async (t) => {
  const server = await scriptedServer(t, (_, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('some', () => response.destroy())
  })
  const dispatcher = openDispatcher(t)

  const error = await dispatcher.request(get(server.url, t.signal), read).catch((error) => error)

  assert.ok(error instanceof ParentError)
  assert.equal(error.code, 'INTERRUPTED')
  assert.equal(error.retryable, true)
  assert.doesNotMatch(error.message, /planted/)
})

test('a parent that hangs before its headers is left after the time-out', async (t) => {
  const server = await scriptedServer(t, hang)
  const dispatcher = openDispatcher(t, { timeouts: { headersMs: 50 }, retry: { retries: 0 } })

  await assert.rejects(dispatcher.request(get(server.url, t.signal), read), { code: 'TIMEOUT', retryable: true })
})

test('a parent that hangs after its headers is left after the idle time-out', async (t) => {
  const server = await scriptedServer(t, (_, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('some')
  })
  const dispatcher = openDispatcher(t, { timeouts: { idleMs: 50 }, retry: { retries: 0 } })

  await assert.rejects(dispatcher.request(get(server.url, t.signal), read), { code: 'TIMEOUT', retryable: true })
})

test('an answer that drips is left when its whole time is over, but content may take longer', async (t) => {
  const drip: Script = (_, response) => {
    response.writeHead(200, { 'content-length': '6' })
    const timer = setInterval(() => response.write('.'), 100)
    response.on('close', () => clearInterval(timer))
  }
  const server = await scriptedServer(t, drip)
  const dispatcher = openDispatcher(t, { timeouts: { answerMs: 400 }, retry: { retries: 0 } })

  await assert.rejects(dispatcher.request(get(server.url, t.signal), read), { code: 'TIMEOUT' })
  assert.equal(await dispatcher.request({ ...get(server.url, t.signal), endless: true }, read), '......')
  // What is long of an upload is what goes up.
  const upload = { ...get(server.url, t.signal), method: 'PUT', endless: true, body: Buffer.from('content') } as const
  await assert.rejects(dispatcher.request(upload, read), { code: 'TIMEOUT' })
})

test('a parent that is not there opens the breaker, which answers at once until a probe succeeds', async (t) => {
  const gone: Script = (_, response) => void response.destroy()
  const server = await scriptedServer(t, inTurn(gone, gone, gone, gone, json(200, 'back')))
  const clock = manualClock()
  const dispatcher = openDispatcher(t, { clock, breaker: { failures: 3, firstPauseMs: 9000 } })

  await assert.rejects(dispatcher.request(get(server.url, t.signal), read), { code: 'UNREACHABLE' })
  assert.equal(server.asked.length, 3, 'its own retries end with it')
  await assert.rejects(dispatcher.request(get(server.url, t.signal), read), {
    code: 'BREAKER_OPEN',
    retryAfterMs: 4500,
    message: /is left alone for a while after repeated failures: it could not be reached: UND_ERR_SOCKET$/
  })
  assert.equal(server.asked.length, 3)
  clock.advance(4500)
  await assert.rejects(dispatcher.request(get(server.url, t.signal), read), { code: 'UNREACHABLE' })
  assert.equal(server.asked.length, 4, 'one probe')
  clock.advance(9000)
  assert.equal(await dispatcher.request(get(server.url, t.signal), read), '"back"')
  assert.equal(await dispatcher.request(get(server.url, t.signal), read), '"back"')
})

test('a breaker is that of one host', async (t) => {
  const broken = await scriptedServer(t, failing(502, 'UNAVAILABLE'))
  const well = await scriptedServer(t, json(200, 'here'))
  const dispatcher = openDispatcher(t, { breaker: { failures: 1 } })

  await assert.rejects(dispatcher.request(get(broken.url, t.signal), read))
  await assert.rejects(dispatcher.request(get(broken.url, t.signal), read), {
    code: 'BREAKER_OPEN',
    message: /after repeated failures: it answered 502$/
  })

  assert.equal(await dispatcher.request(get(well.url, t.signal), read), '"here"')
})

test('one broken thing at a healthy parent does not open the breaker', async (t) => {
  const server = await scriptedServer(t, inTurn(...Array(8).fill(failing(500, 'UNKNOWN')), json(200, 'here')))
  const dispatcher = openDispatcher(t, { breaker: { failures: 2 } })

  await assert.rejects(dispatcher.request(get(server.url, t.signal), read), { code: 'SERVER_ERROR' })
  await assert.rejects(dispatcher.request(get(server.url, t.signal), read), { code: 'SERVER_ERROR' })

  assert.equal(await dispatcher.request(get(server.url, t.signal), read), '"here"')
})

test('the caller ends a request with its own reason, while it hangs and while it waits', async (t) => {
  const controller = new AbortController()
  const hanging = await scriptedServer(t, () => controller.abort(new Error('the window closed')))
  const dispatcher = openDispatcher(t)

  await assert.rejects(dispatcher.request(get(hanging.url, controller.signal), read), { message: 'the window closed' })
  await assert.rejects(dispatcher.request(get(hanging.url, controller.signal), read), { message: 'the window closed' })
  assert.equal(hanging.asked.length, 1)
})

test('closing ends what is under way', async (t) => {
  const arrived = Promise.withResolvers<void>()
  const server = await scriptedServer(t, () => arrived.resolve())
  const dispatcher = openDispatcher(t)
  const waiting = assert.rejects(dispatcher.request(get(server.url, t.signal), read), { name: 'AbortError' })
  await arrived.promise

  await dispatcher.close()

  await waiting
})

test('redirects are not followed, and no encoding is accepted', async (t) => {
  const server = await scriptedServer(t, (_, response) => response.writeHead(307, { location: '/elsewhere' }).end())
  const dispatcher = openDispatcher(t)

  assert.equal(await dispatcher.request(get(server.url, t.signal), async (answer) => answer.status), 307)

  assert.equal(server.asked[0]?.headers['accept-encoding'], 'identity')
})

test('requests and bytes are counted each way', async (t) => {
  const server = await scriptedServer(t, (_, response) => response.end(Buffer.alloc(500)))
  const dispatcher = openDispatcher(t)

  await dispatcher.request(get(server.url, t.signal), read)
  const traffic = dispatcher.traffic()

  assert.equal(traffic.requests, 1)
  assert.equal(traffic.failures, 0)
  assert.ok(traffic.receivedBytes > 500)
  assert.ok(traffic.sentBytes > 20)
  await dispatcher.close()
  assert.ok(dispatcher.traffic().receivedBytes >= traffic.receivedBytes)
})

test('a certificate is trusted by its authority, and its refusal is not asked again', async (t) => {
  const certificate = await selfSigned(t)
  const server = await scriptedServer(t, json(200, 'here'), { certificate })
  const trusting = openDispatcher(t, { certificateAuthorities: [certificate.cert.toString()] })
  const strict = openDispatcher(t)

  assert.equal(await trusting.request(get(server.url, t.signal), read), '"here"')
  await assert.rejects(strict.request(get(server.url, t.signal), read), { code: 'UNTRUSTED', retryable: false })
})

test('a parent that speaks plain HTTP where TLS was expected is told so, and not that its certificate is not trusted', async (t) => {
  const server = await scriptedServer(t, json(200, 'here'))
  const dispatcher = openDispatcher(t)

  await assert.rejects(dispatcher.request(get(server.url.replace('http:', 'https:'), t.signal), read), {
    code: 'BAD_ANSWER',
    retryable: false,
    message:
      /gave an answer that cannot be used: no TLS \(ERR_SSL_WRONG_VERSION_NUMBER\); is ParentEndpointProtocol right\?/
  })
})
