import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import test from 'node:test'
import { openSocket, rawHead, serveWritable } from './pushing.ts'

const bodyBytes = 100 * 2 ** 20
const pieceBytes = 64 * 1024
// What the limit of a manifest, what is listened to after a refusal, and the buffers of both ends take.
const takenBytes = 24 * 2 ** 20

/** Writes a body for as long as the other end takes it: how much that was, and the most that was held in memory meanwhile. */
async function flood(socket: Socket, pieces: { readonly before: string; readonly after: string }) {
  const piece = Buffer.concat([Buffer.from(pieces.before), Buffer.alloc(pieceBytes, ' '), Buffer.from(pieces.after)])
  const started = process.memoryUsage().arrayBuffers
  // A reset is what may well come.
  const closed = new Promise((resolve) => socket.once('close', resolve))
  let [sent, held] = [0, 0]
  while (sent < bodyBytes && socket.writable) {
    sent += pieceBytes
    if (!socket.write(piece)) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), closed])
    held = Math.max(held, process.memoryUsage().arrayBuffers - started)
  }
  socket.end()
  await closed
  return { sent, held }
}

const index = 'application/vnd.oci.image.index.v1+json'
const framings = {
  announced: { headers: { 'Content-Length': bodyBytes }, pieces: { before: '', after: '' } },
  chunked: {
    headers: { 'Transfer-Encoding': 'chunked' },
    pieces: { before: `${pieceBytes.toString(16)}\r\n`, after: '\r\n' }
  }
} as const

for (const [framing, { headers, pieces }] of Object.entries(framings)) {
  for (const [who, status, more] of [
    ['a client', 413, {}],
    ['nobody', 401, { Authorization: 'Bearer a.b.c' }]
  ] as const) {
    test(`a manifest of 100 MB by ${who}, ${framing}, is refused early, and is never held`, async (t) => {
      const served = await serveWritable(t)
      const socket = await openSocket(t, served.port)
      let answer = ''
      socket.on('data', (part: Buffer) => {
        answer += part.toString()
      })

      socket.write(rawHead('PUT', '/v2/app/web/manifests/v1', { 'Content-Type': index, ...headers, ...more }))
      const { sent, held } = await flood(socket, pieces)

      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `))
      assert.ok(sent < takenBytes, `${sent} bytes were taken`)
      assert.ok(held < takenBytes, `${held} bytes were held`)
    })
  }
}
