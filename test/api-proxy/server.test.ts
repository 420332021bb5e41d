import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { type AgentOptions, Agent as SecureAgent, request as secureRequest } from 'node:https'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { connect as secureConnect, type TLSSocket } from 'node:tls'
import { createDoorServer, type TlsVersions } from '../../modules/api-proxy/src/server.ts'
import { createCertificateAuthority } from '../simulators/edge-hub/certificates.ts'
import { aDoor, aRegistry, ask, openSocket, received, silentLog } from './open-door.ts'

const authority = await createCertificateAuthority()
const bothVersions = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' } as const
const patient = () => new AbortController().signal

async function aSecureDoor(t: TestContext, registryPort: number, versions: TlsVersions = bothVersions) {
  const certificate = await authority.issue({ names: ['localhost'] })
  return { certificate, ...(await aDoor(t, registryPort, { tls: { certificate, versions } })) }
}

async function askSecurely(port: number, options: AgentOptions = {}) {
  const agent = new SecureAgent({ keepAlive: false, ca: authority.certificate, ...options })
  const asked = secureRequest({ host: 'localhost', port, path: '/v2/', agent }).end()
  const [answer] = await once(asked, 'response')
  const { serialNumber } = (answer.socket as TLSSocket).getPeerCertificate()
  let body = ''
  for await (const chunk of answer) body += chunk
  return { body, serialNumber, protocol: (answer.socket as TLSSocket).getProtocol() }
}

test('over TLS the registry is told that the client sees https', async (t) => {
  const registry = await aRegistry(t, (asked, answer) => answer.end(asked.headers['x-forwarded-proto']))
  const door = await aSecureDoor(t, registry.port)

  assert.equal((await askSecurely(door.port)).body, 'https')
})

test('a new certificate is for new connections, and a download on an old one goes on', async (t) => {
  const answers: ServerResponse[] = []
  const registry = await aRegistry(t, (asked, answer) => {
    if (asked.url !== '/v2/long') answer.end('short')
    else answers.push(answer.writeHead(200, { 'content-length': 8 }))
    if (asked.url === '/v2/long') answer.write('half')
  })
  const door = await aSecureDoor(t, registry.port)
  const asked = secureRequest({
    host: 'localhost',
    port: door.port,
    path: '/v2/long',
    ca: authority.certificate,
    agent: false
  })
  const [download] = await once(asked.end(), 'response')
  const first = await askSecurely(door.port)

  door.server.replaceCertificate(await authority.issue({ names: ['localhost'] }))
  const second = await askSecurely(door.port)
  answers[0]?.end('half')
  let body = ''
  for await (const chunk of download) body += chunk

  assert.equal(body, 'halfhalf')
  assert.notEqual(first.serialNumber, second.serialNumber)
})

test('only the chosen TLS versions are spoken, also after a new certificate', async (t) => {
  const registry = await aRegistry(t, (_, answer) => answer.end('ok'))
  const door = await aSecureDoor(t, registry.port, { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' })

  for (let round = 0; round < 2; round++) {
    assert.equal((await askSecurely(door.port)).protocol, 'TLSv1.3')
    await assert.rejects(askSecurely(door.port, { maxVersion: 'TLSv1.2' }), /ALERT|alert|protocol/)
    door.server.replaceCertificate(await authority.issue({ names: ['localhost'] }))
  }
})

test('of the ciphers of TLS 1.2 only the chosen ones are spoken, and TLS 1.3 goes on', async (t) => {
  const registry = await aRegistry(t, (_, answer) => answer.end('ok'))
  const certificate = await authority.issue({ names: ['localhost'] })
  const ciphers = 'TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256'
  const door = await aDoor(t, registry.port, { tls: { certificate, versions: bothVersions, ciphers } })
  const older = { maxVersion: 'TLSv1.2' } as const

  assert.equal((await askSecurely(door.port, { ...older, ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' })).body, 'ok')
  await assert.rejects(askSecurely(door.port, { ...older, ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' }), /alert|ALERT/)
  assert.equal((await askSecurely(door.port)).protocol, 'TLSv1.3')
})

test('stopping refuses connections, closes idle ones and lets a running answer finish', async (t) => {
  const arrived = Promise.withResolvers<ServerResponse>()
  const registry = await aRegistry(t, (asked, answer) => {
    if (asked.url === '/v2/slow') arrived.resolve(answer)
    else answer.end('ok')
  })
  const door = await aDoor(t, registry.port)
  const idle = await openSocket(t, door.port)
  idle.write('GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(idle, 'data')
  const running = await openSocket(t, door.port)
  running.write('GET /v2/slow HTTP/1.1\r\nHost: a\r\n\r\n')
  const answer = await arrived.promise

  const stopped = door.server.stop(patient())
  await once(idle.resume(), 'close')
  await assert.rejects(ask(door.port, '/v2/'), { code: 'ECONNREFUSED' })
  answer.end('the whole answer')
  let text = ''
  for await (const chunk of running) text += chunk
  await stopped

  assert.match(text, /the whole answer/)
})

test('stopping does not cut an answer that is ended but not yet sent', async (t) => {
  const size = 8 * 1024 * 1024
  const registry = await aRegistry(t, (_, answer) =>
    answer.writeHead(200, { 'content-length': size }).end(Buffer.alloc(size))
  )
  const door = await aDoor(t, registry.port)
  const slow = await openSocket(t, door.port)
  slow.pause().write('GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(slow, 'readable')

  const stopped = door.server.stop(patient())
  let bytes = 0
  for await (const chunk of slow) bytes += chunk.length
  await stopped

  assert.ok(bytes > size, `${bytes} bytes`)
})

test('stopping closes a TLS connection that never shook hands', async (t) => {
  const door = await aSecureDoor(t, 1)
  const silent = await openSocket(t, door.port)
  const idle = secureConnect({ port: door.port, host: 'localhost', ca: authority.certificate })
  t.after(() => idle.destroy())
  await once(idle, 'secureConnect')

  const stopped = door.server.stop(patient())

  await Promise.all([once(silent.resume(), 'close'), once(idle.resume(), 'close'), stopped])
})

test('what is still running when the time is over is cut, not ended', async (t) => {
  const registry = await aRegistry(t, (_, answer) => answer.writeHead(200, { 'content-length': 8 }).write('half'))
  const door = await aDoor(t, registry.port)
  const client = ask(door.port, '/v2/')
  const failed = assert.rejects(client, { code: 'ECONNRESET' })
  await once(registry.server, 'request')

  const deadline = new AbortController()
  const stopped = door.server.stop(deadline.signal)
  deadline.abort()

  await Promise.all([stopped, failed])
})

test('nothing waits for the rest of a request whose connection was cut', async (t) => {
  const waits = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length
  const registry = await aRegistry(t, (_, answer) => answer.writeHead(403).end())
  const door = await aDoor(t, registry.port)
  const before = waits()
  const client = await openSocket(t, door.port)
  client.setEncoding('latin1').write('PUT /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n')
  const answer = await received(client, '\r\n\r\n')
  const waiting = waits()

  const cut = once(client, 'close')
  await Promise.all([door.server.stop(AbortSignal.abort()), registry.stop(), cut])
  await new Promise(setImmediate)

  assert.match(answer, /^HTTP\/1\.1 403 /)
  assert.ok(waiting > before, 'the rest was waited for')
  assert.equal(waits(), before)
})

test('a client that never finishes its head is cut off', async (t) => {
  const door = await aDoor(t, 1, { limits: { headersTimeoutMs: 50 } })
  const client = await openSocket(t, door.port)
  client.setEncoding('latin1').write('GET /v2/ HTTP/1.1\r\nHost: a\r\n')

  const [answer] = await once(client, 'data')

  assert.match(answer, /^HTTP\/1\.1 408 /)
})

test('a connection on which nothing moves is closed, at the registry too', async (t) => {
  const closed = Promise.withResolvers<void>()
  const registry = await aRegistry(t, (_, answer) => {
    answer.on('close', closed.resolve)
    answer.writeHead(200, { 'content-length': 1_000 }).write('some')
  })
  const door = await aDoor(t, registry.port, { limits: { idleTimeoutMs: 50 } })

  await assert.rejects(ask(door.port, '/v2/'), { code: 'ECONNRESET' })
  await closed.promise
})

test('a handler that throws is answered 500 and harms nobody else', async (t) => {
  const server = createDoorServer({
    log: silentLog,
    handle: (asked, answer) => {
      if (asked.url === '/broken') throw new Error('broken')
      Readable.from(['ok']).pipe(answer)
    }
  })
  const { port } = await server.listen('127.0.0.1', 0)
  t.after(() => server.stop(AbortSignal.abort()))

  assert.equal((await ask(port, '/broken')).status, 500)
  assert.equal((await ask(port, '/')).body, 'ok')
})

test('a port that is taken is said so', async (t) => {
  const registry = await aRegistry(t, () => {})
  const server = createDoorServer({ log: silentLog, handle: () => {} })

  await assert.rejects(server.listen('127.0.0.1', registry.port), { code: 'EADDRINUSE' })
})
