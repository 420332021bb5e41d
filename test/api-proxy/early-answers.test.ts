import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { type TestContext, test } from 'node:test'
import { aDoor, ways } from './open-door.ts'

for (const [name, options] of Object.entries(ways)) {
  test(`who answers an upload early and closes at once is heard (${name})`, async (t) => {
    const port = await anAbruptRegistry(t, 'HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\n\r\ntoo large')
    const door = await aDoor(t, port, options(port))

    const answer = await upload(door.port)

    assert.equal(answer.statusCode, 413)
    assert.equal(await text(answer), 'too large')
  })

  test(`who breaks an answer off amid an upload is not taken to have ended it (${name})`, async (t) => {
    const port = await anAbruptRegistry(t, 'HTTP/1.1 200 OK\r\n\r\nthe first part')
    const door = await aDoor(t, port, options(port))

    const answer = await upload(door.port)

    // Where the failure is known before the answer has begun, it is told.
    if (answer.statusCode === 200) await assert.rejects(text(answer), { code: 'ECONNRESET' })
    else assert.equal(answer.statusCode, 502)
  })
}

/** Answers each request as soon as anything of it is there, reads no more and closes: a reset for whoever is still sending. */
async function anAbruptRegistry(t: TestContext, answer: string): Promise<number> {
  const server = createServer((socket: Socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.pause().write(answer, () => socket.resetAndDestroy()))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

/** The answer to 16 MiB. */
async function upload(port: number): Promise<IncomingMessage> {
  const mebibyte = 1024 * 1024
  const headers = { 'content-length': 16 * mebibyte }
  const asked = request({ host: '127.0.0.1', port, path: '/v2/app/blobs/uploads/1', method: 'PATCH', headers })
  const content = Array.from({ length: 16 }, () => Buffer.alloc(mebibyte))
  pipeline(Readable.from(content), asked).catch(() => undefined)
  const [answer] = await once(asked, 'response')
  return answer
}
