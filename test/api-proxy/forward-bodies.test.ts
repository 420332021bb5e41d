import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, request, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { finished, pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { setImmediate as immediate } from 'node:timers/promises'
import { aDoor, aRegistry, openSocket, received, ways } from './open-door.ts'

const megabyte = 1024 * 1024

test('100 MB stream down, byte for byte', async (t) => {
  const registry = await aRegistry(t, (_, answer) => {
    answer.writeHead(200, { 'content-length': 100 * megabyte })
    pipeline(Readable.from(megabytes(100)), answer).catch(() => {})
  })
  const door = await aDoor(t, registry.port)

  const asked = request({ port: door.port, host: '127.0.0.1', path: '/v2/app/blobs/x', agent: false }).end()
  const [answer] = await once(asked, 'response')

  assert.equal(await sha256Of(answer), await sha256Of(megabytes(100)))
})

for (const framing of ['content-length', 'chunked'] as const) {
  test(`100 MB stream up, byte for byte (${framing})`, async (t) => {
    const registry = await aRegistry(t, async (asked, answer) => {
      answer.end(`${asked.headers['content-length']} ${asked.headers['transfer-encoding']} ${await sha256Of(asked)}`)
    })
    const door = await aDoor(t, registry.port)

    const headers = framing === 'chunked' ? {} : { 'content-length': 100 * megabyte }
    const asked = request({ port: door.port, host: '127.0.0.1', path: '/v2/', method: 'PATCH', headers, agent: false })
    const [[answer]] = await Promise.all([once(asked, 'response'), pipeline(Readable.from(megabytes(100)), asked)])

    const seen = framing === 'chunked' ? 'undefined chunked' : `${100 * megabyte} undefined`
    assert.equal(await text(answer), `${seen} ${await sha256Of(megabytes(100))}`)
  })
}

for (const [name, options] of Object.entries(ways)) {
  test(`a client that leaves during a download ends it at the registry too (${name})`, async (t) => {
    const closed: Promise<unknown>[] = []
    const registry = await aRegistry(t, (_, answer) => {
      closed.push(once(answer, 'close'))
      pipeline(Readable.from(megabytes(1_000)), answer).catch(() => {})
    })
    const door = await aDoor(t, registry.port, options(registry.port))

    for (let i = 0; i < 20; i++) {
      const asked = request({ port: door.port, host: '127.0.0.1', path: '/v2/app/blobs/x', agent: false }).end()
      const [answer] = await once(asked, 'response')
      await once(answer, 'data')
      answer.destroy()
    }

    await Promise.all(closed)
    assert.equal(closed.length, 20)
  })
}

test('a client that leaves before the answer has begun ends the request at the registry', async (t) => {
  const arrived = Promise.withResolvers<ServerResponse>()
  const registry = await aRegistry(t, (_, answer) => arrived.resolve(answer))
  const door = await aDoor(t, registry.port)

  const client = await openSocket(t, door.port)
  client.write('GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n')
  const answer = await arrived.promise
  client.destroy()

  await once(answer, 'close')
})

test('a client that leaves after its upload, before the answer, ends the request at the registry', async (t) => {
  const arrived = Promise.withResolvers<ServerResponse>()
  const registry = await aRegistry(t, (asked, answer) => asked.resume().on('end', () => arrived.resolve(answer)))
  const door = await aDoor(t, registry.port)

  const client = await openSocket(t, door.port)
  client.write('PUT /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc')
  const answer = await arrived.promise
  client.destroy()

  await once(answer, 'close')
})

test('a client that leaves during an upload aborts it at the registry', async (t) => {
  const outcome = Promise.withResolvers<unknown>()
  const registry = await aRegistry(t, (asked) => finished(asked.resume()).then(outcome.resolve, outcome.reject))
  const door = await aDoor(t, registry.port)

  const client = await openSocket(t, door.port)
  client.write('PATCH /v2/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
  await once(registry.server, 'request')
  client.destroy()

  await assert.rejects(outcome.promise, { code: 'ECONNRESET' })
})

test('a slow client slows the registry down, and the door keeps little', async (t) => {
  const total = 300
  let sent = 0
  const registry = await aRegistry(t, (_, answer) => {
    const send = () => {
      while (sent < total) {
        sent += 1
        if (!answer.write(Buffer.alloc(megabyte))) return
      }
      answer.end()
    }
    answer.on('drain', send)
    send()
  })
  const door = await aDoor(t, registry.port)
  const asked = request({ port: door.port, host: '127.0.0.1', path: '/v2/app/blobs/x', agent: false }).end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]

  let received = 0
  let underWay = 0
  for await (const chunk of answer) {
    received += chunk.length
    // The registry and the door get many turns for each of the client's.
    for (let turn = 0; turn < 10; turn++) await immediate()
    underWay = Math.max(underWay, sent - received / megabyte)
  }

  assert.equal(received, total * megabyte)
  assert.ok(underWay < 50, `${underWay} MB were under way`)
})

test('an early refusal reaches a client that is still sending, and the connection can be used again', async (t) => {
  const registry = await aRegistry(t, (asked, answer) => {
    if (asked.method === 'GET') answer.end('next')
    else answer.writeHead(403, { 'content-length': 6 }).end('denied')
  })
  const door = await aDoor(t, registry.port)
  const client = await openSocket(t, door.port)
  client.setEncoding('latin1')

  client.write('PATCH /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n')
  client.write(Buffer.alloc(1_000_000))
  const refusal = await received(client, 'denied')
  client.write(Buffer.alloc(2_000_000))
  client.write('GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n')
  const next = await received(client, 'next')

  assert.match(refusal, /^HTTP\/1\.1 403 /)
  assert.match(next, /^HTTP\/1\.1 200 /)
})

test('a client whose connection ends with an early refusal may send the rest', async (t) => {
  const registry = await aRegistry(t, (_, answer) => answer.writeHead(403, { 'content-length': 6 }).end('denied'))
  const door = await aDoor(t, registry.port)
  const client = connect({ port: door.port, host: '127.0.0.1', allowHalfOpen: true })
  t.after(() => client.destroy())

  client.write('PATCH /v2/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3000000\r\n\r\n')
  client.write(Buffer.alloc(1_000_000))
  let refusal = ''
  client.on('data', (part) => {
    refusal += part
  })
  await once(client, 'end')
  const sent = Promise.withResolvers<void>()
  client.write(Buffer.alloc(2_000_000), (error) => (error ? sent.reject(error) : sent.resolve()))

  assert.match(refusal, /^HTTP\/1\.1 403 .*Connection: close\r\n.*denied$/s)
  await sent.promise
})

for (const connection of ['keep-alive', 'close']) {
  test(`a client that goes on sending after its answer is cut off (${connection})`, async (t) => {
    const registry = await aRegistry(t, (_, answer) => answer.writeHead(403, { 'content-length': 6 }).end('denied'))
    const door = await aDoor(t, registry.port, { limits: { lingerMs: 20 } })
    const client = connect({ port: door.port, host: '127.0.0.1', allowHalfOpen: true })
    t.after(() => client.destroy())

    client.write(`PATCH /v2/ HTTP/1.1\r\nHost: a\r\nConnection: ${connection}\r\nContent-Length: 3000000\r\n\r\n`)
    await once(
      client.resume().on('error', () => undefined),
      'end'
    )
    while (!client.destroyed) {
      client.write('more')
      await immediate()
    }
  })
}

function* megabytes(count: number): Generator<Buffer> {
  for (let i = 0; i < count; i++) yield Buffer.alloc(megabyte, `${i} megabytes `)
}

async function sha256Of(bytes: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of bytes) hash.update(chunk)
  return hash.digest('hex')
}
