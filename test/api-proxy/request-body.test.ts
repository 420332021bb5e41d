import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { type AddressInfo, connect, createServer as createSocketServer, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { sendBody } from '../../modules/api-proxy/src/request-body.ts'

for (const framing of ['content-length', 'transfer-encoding'] as const) {
  test(`what was sent of a body takes no memory any more: ${framing}`, async (t) => {
    const body = Buffer.alloc(1_000_000, 'layer')
    const other = createSocketServer({ allowHalfOpen: true })
    const upstream = connect(await portOf(t, other), '127.0.0.1')
    const [accepted] = (await once(other, 'connection')) as [Socket]
    const received = buffer(accepted)
    const pieces: Buffer[] = []
    const server = createServer((incoming, response) => {
      incoming.on('data', (piece: Buffer) => pieces.push(piece))
      sendBody(incoming, upstream, () => upstream.end(() => response.end()))
    })

    const port = await portOf(t, server)
    const headers = framing === 'content-length' ? { [framing]: body.length } : { [framing]: 'chunked' }
    const asked = request({ host: '127.0.0.1', port, method: 'PUT', headers }).end(body)
    const [answer] = await once(asked, 'response')
    await buffer(answer)

    const arrived = await received
    assert.ok(framing === 'content-length' ? arrived.equals(body) : contentOf(arrived).equals(body))
    assert.ok(pieces.length > 1)
    assert.ok(pieces.every(({ buffer: memory }) => memory instanceof ArrayBuffer && memory.detached))
    accepted.destroy()
  })
}

async function portOf(t: TestContext, server: ReturnType<typeof createServer> | ReturnType<typeof createSocketServer>) {
  server.listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** The content of chunks. */
function contentOf(chunks: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < chunks.length; ) {
    const end = chunks.indexOf('\r\n', at)
    const size = Number.parseInt(chunks.toString('latin1', at, end), 16)
    parts.push(chunks.subarray(end + 2, end + 2 + size))
    at = end + 2 + size + 2
  }
  return Buffer.concat(parts)
}
