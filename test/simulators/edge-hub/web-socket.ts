import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'

const binary = 2
const close = 8
const ping = 9
const pong = 10

/** Accepts a WebSocket (RFC 6455) and gives its binary messages as one stream of bytes, both ways. */
export function acceptWebSocket(request: IncomingMessage, socket: Duplex, head: Buffer, protocol: string): Duplex {
  const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
  const accept = createHash('sha1').update(key).digest('base64')
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade']
  socket.write(
    [...lines, `Sec-WebSocket-Accept: ${accept}`, `Sec-WebSocket-Protocol: ${protocol}`, '', ''].join('\r\n')
  )
  const arrived: Buffer[] = []
  let isWanted = false
  const stream = new Duplex({
    // One chunk at a time: the broker reads one each time that it is told of any.
    readableHighWaterMark: 1,
    read() {
      isWanted = true
      give()
    },
    write: (chunk: Buffer, _, done) => void socket.write(frame(binary, chunk), done),
    final: (done) => void socket.end(frame(close, Buffer.alloc(0)), done),
    destroy(error, done) {
      socket.destroy()
      done(error)
    }
  })
  function give(): void {
    if (!isWanted || arrived.length === 0) return
    isWanted = false
    stream.push(Buffer.concat(arrived.splice(0)))
  }
  let buffered = head
  function take(chunk: Buffer): void {
    buffered = Buffer.concat([buffered, chunk])
    for (let next = unframe(buffered); next; next = unframe(buffered)) {
      buffered = buffered.subarray(next.length)
      if (next.opcode === ping) socket.write(frame(pong, next.payload))
      else if (next.opcode === close) stream.push(null)
      else if (next.opcode <= binary) arrived.push(next.payload)
    }
    give()
  }
  socket.on('data', take)
  socket.on('close', () => stream.destroy())
  socket.on('error', () => stream.destroy())
  take(Buffer.alloc(0))
  return stream
}

function frame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10)
  head[0] = 0x80 | opcode
  head[1] = length < 126 ? length : length < 65_536 ? 126 : 127
  if (head.length === 4) head.writeUInt16BE(length, 2)
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([head, payload])
}

interface Frame {
  readonly opcode: number
  readonly payload: Buffer
  readonly length: number
}

/** The first whole frame of a client, which are masked; undefined: more is to come. */
function unframe(bytes: Buffer): Frame | undefined {
  if (bytes.length < 6) return undefined
  const short = (bytes[1] ?? 0) & 0x7f
  const sizeBytes = short === 126 ? 2 : short === 127 ? 8 : 0
  const start = 2 + sizeBytes + 4
  if (bytes.length < start) return undefined
  const size = sizeBytes === 2 ? bytes.readUInt16BE(2) : sizeBytes === 8 ? Number(bytes.readBigUInt64BE(2)) : short
  if (bytes.length < start + size) return undefined
  const mask = bytes.subarray(start - 4, start)
  const payload = Buffer.from(bytes.subarray(start, start + size).map((byte, i) => byte ^ (mask[i % 4] ?? 0)))
  return { opcode: (bytes[0] ?? 0) & 0x0f, payload, length: start + size }
}
