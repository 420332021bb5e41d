import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { finished } from 'node:stream/promises'
import { type TestContext, test } from 'node:test'
import { setImmediate as immediate } from 'node:timers/promises'
import { aDoor, aRegistry, ask, exchangeRaw, openSocket, ways } from './open-door.ts'

/** A registry that says these bytes to whatever it is asked, and then nothing more. */
async function aBabbler(t: TestContext, bytes: (count: number) => string | Buffer): Promise<number> {
  let count = 0
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', () => socket.end(bytes(count++)))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => server.close())
  return (server.address() as { port: number }).port
}

test('a head of 64 KB is refused, in one header or in many', async (t) => {
  const seen: IncomingMessage[] = []
  const registry = await aRegistry(t, (asked, answer) => {
    seen.push(asked)
    answer.end()
  })
  const door = await aDoor(t, registry.port)
  const large = { one: `X-A: ${'a'.repeat(65_536)}\r\n`, many: 'X-A: aaaaaaaa\r\n'.repeat(4_400) }

  for (const [name, headers] of Object.entries(large)) {
    const client = await openSocket(t, door.port)
    client.setEncoding('latin1').on('error', () => undefined)
    client.write(`GET /v2/ HTTP/1.1\r\nHost: a\r\n${headers}\r\n`)
    assert.match((await once(client, 'data'))[0], /^HTTP\/1\.1 431 /, name)
  }
  assert.equal(seen.length, 0)
})

test('no header is lost behind thousands of others, least of all the one that frames the body', async (t) => {
  const registry = await aRegistry(t, async (asked, answer) => {
    answer.end(`${asked.headers['content-length']} ${await text(asked)}`)
  })
  const door = await aDoor(t, registry.port)

  const many = 'A: b\r\n'.repeat(2_500)
  const head = `PUT /v2/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${many}Content-Length: 3\r\n\r\n`
  assert.match(await exchangeRaw(door.port, `${head}abc`), /3 abc$/)
})

test('no trick with the host changes where a request goes or what the registry takes for its own name', async (t) => {
  const hosts: unknown[] = []
  const registry = await aRegistry(t, (asked, answer) => {
    hosts.push(asked.headers['x-forwarded-host'])
    answer.end()
  })
  const door = await aDoor(t, registry.port)
  const refused = [
    'a@b',
    'a/b',
    'a b',
    'a,b',
    'a:b',
    'a:123456',
    '[::1',
    'a\\b',
    'a?b',
    'a#b',
    '%61',
    'a;b',
    '"a"',
    'ä'
  ]

  for (const host of refused) {
    const answer = await exchangeRaw(door.port, `GET /v2/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    assert.match(answer, /^HTTP\/1\.1 400 /, host)
  }
  const claims = 'X-Forwarded-Host: evil\r\nForwarded: host=evil\r\nX-Host: evil\r\nConnection: close, host'
  await exchangeRaw(door.port, `GET /v2/ HTTP/1.1\r\nHost: gateway:8000\r\n${claims}\r\n\r\n`)
  assert.deepEqual(hosts, ['gateway:8000'])
})

test('a body that stops coming is given up, at the registry too', async (t) => {
  const outcome = Promise.withResolvers<unknown>()
  const registry = await aRegistry(t, (asked) => finished(asked.resume()).then(outcome.resolve, outcome.reject))
  const door = await aDoor(t, registry.port, { limits: { idleTimeoutMs: 50 } })
  const client = await openSocket(t, door.port)

  client.write('PATCH /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc')

  await Promise.all([assert.rejects(outcome.promise, { code: 'ECONNRESET' }), once(client.resume(), 'close')])
})

const nonsense: Readonly<Record<string, string>> = {
  'no HTTP': 'what?\r\n\r\n',
  nothing: '',
  'a cut head': 'HTTP/1.1 200 OK\r\nContent-Le',
  'a length and a coding': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd',
  'a length that is none': 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
  'a head without an end': `HTTP/1.1 200 OK\r\n${'X-A: aaaaaaaa\r\n'.repeat(10_000)}`,
  'a control character': 'HTTP/1.1 200 OK\r\nX-A: a\u0000b\r\nContent-Length: 0\r\n\r\n',
  'another version': 'HTTP/3.7 200 OK\r\nContent-Length: 0\r\n\r\n'
}

test('an answer that is nonsense is answered 502', async (t) => {
  for (const [name, bytes] of Object.entries(nonsense)) {
    const door = await aDoor(t, await aBabbler(t, () => bytes))
    const { status, body } = await ask(door.port, '/v2/')
    assert.equal(status, 502, name)
    assert.equal(JSON.parse(body).errors[0].code, 'UNAVAILABLE')
  }
})

test('a body that goes wrong after a good head is broken off, never ended', async (t) => {
  const bodies = {
    'a chunk without a size': 'Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n',
    'chunks without an end': 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
    'a size beyond all': 'Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc',
    'less than promised': 'Content-Length: 10\r\n\r\nabc'
  }

  for (const [name, rest] of Object.entries(bodies)) {
    const door = await aDoor(t, await aBabbler(t, () => `HTTP/1.1 200 OK\r\n${rest}`))
    await assert.rejects(ask(door.port, '/v2/app/blobs/x'), name)
  }
})

test('what a registry says beyond its answer reaches nobody, and never the next client', async (t) => {
  const poison = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'
  const door = await aDoor(
    t,
    await aBabbler(t, (count) => `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n#${count}${poison}`)
  )

  for (const expected of ['#0', '#1', '#2']) assert.equal((await ask(door.port, '/v2/')).body, expected)
})

test('interim answers without number are not passed on and do no harm', async (t) => {
  const early = 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'.repeat(1_000)
  const door = await aDoor(t, await aBabbler(t, () => `${early}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`))

  assert.match(
    await exchangeRaw(door.port, 'GET /v2/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'),
    /^HTTP\/1\.1 200 .*ok$/s
  )
})

for (const [name, options] of Object.entries(ways)) {
  test(`requests that a client sends ahead reach the registry one after the other (${name})`, async (t) => {
    const asked: string[] = []
    let underWay = 0
    let most = 0
    const registry = await aRegistry(t, async (request, answer) => {
      most = Math.max(most, ++underWay)
      asked.push(`${request.method} ${await text(request)}`)
      for (let turn = 0; turn < 10; turn++) await immediate()
      underWay -= 1
      answer.end('done')
    })
    const door = await aDoor(t, registry.port, options(registry.port))

    const reading = 'GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(20)
    const writing = 'PATCH /v2/a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc'
    const last = 'PUT /v2/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nd'
    const answers = await exchangeRaw(door.port, reading + writing + last)

    assert.equal(answers.match(/HTTP\/1\.1 200 /g)?.length, 22)
    assert.deepEqual(asked.slice(-2), ['PATCH abc', 'PUT d'])
    assert.equal(most, 1)
  })
}
