import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { headerOf, openConnection } from '../../../scripts/bench/connection.ts'

/** A server that answers each request with the next list of packets, one write each. */
async function anAnsweringServer(t: TestContext, answers: readonly (readonly string[])[]) {
  const requests: string[] = []
  const server = createServer({ noDelay: true }, (socket) => {
    t.after(() => socket.destroy())
    socket.on('data', async (bytes) => {
      requests.push(String(bytes))
      for (const packet of answers[requests.length - 1] ?? []) {
        socket.write(packet)
        // Each packet is read by itself: the client must put them together again.
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
  })
  t.after(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const connection = await openConnection((server.address() as AddressInfo).port)
  t.after(() => connection.close())
  return { connection, requests }
}

test('a body is counted by its length, wherever the packets are cut', async (t) => {
  const { connection } = await anAnsweringServer(t, [
    ['HTTP/1.1 200 OK\r\nContent-Le', 'ngth: 5\r\n\r', '\nab', 'cde'],
    ['HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n']
  ])

  const first = await connection.send({ method: 'GET', path: '/one', keepBody: true })
  const second = await connection.send({ method: 'GET', path: '/two' })

  assert.deepEqual([first.status, first.bytes, first.body], [200, 5, 'abcde'])
  assert.deepEqual([second.status, second.bytes], [404, 0])
})

test('a body in chunks ends with the last chunk, and the connection goes on', async (t) => {
  const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
  const { connection } = await anAnsweringServer(t, [
    [`${head}5\r\nab`, 'cde\r', '\n1', '0\r\n0123456789abcdef\r\n0\r\n', '\r\n'],
    [`${head}1\r\nx\r\n0\r\n\r\n`]
  ])

  const first = await connection.send({ method: 'GET', path: '/one' })
  const second = await connection.send({ method: 'GET', path: '/two' })

  assert.deepEqual([first.status, second.status], [200, 200])
})

test('the answer to a HEAD request ends with its head, whatever length it names', async (t) => {
  const { connection, requests } = await anAnsweringServer(t, [
    ['HTTP/1.1 200 OK\r\nContent-Length: 500\r\nETag: "e"\r\n\r\n'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok']
  ])

  const head = await connection.send({ method: 'HEAD', path: '/one', headers: 'X-A: b\r\n' })
  const next = await connection.send({ method: 'GET', path: '/two' })

  assert.equal(requests[0], 'HEAD /one HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b\r\n\r\n')
  assert.deepEqual([head.bytes, headerOf(head.head, 'etag'), next.bytes], [0, '"e"', 2])
})

test('a request whose connection ends is rejected', async (t) => {
  const { connection } = await anAnsweringServer(t, [['HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab']])
  const answer = connection.send({ method: 'GET', path: '/' })

  connection.close()

  await assert.rejects(answer, /closed the connection/)
})
