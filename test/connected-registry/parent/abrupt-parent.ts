// A parent in a thread of its own, for it must close while the other side is sending: it begins every upload, answers 413 as soon as
// anything of the content is there, and closes. Tells its port.
import { createServer, type Socket } from 'node:net'
import { parentPort } from 'node:worker_threads'

const body = '{"errors":[{"code":"SIZE_INVALID","message":"too large"}]}'
const refused = `HTTP/1.1 413 Too Large\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`

function take(socket: Socket, piece: Buffer): void {
  if (piece.includes('POST ')) {
    socket.write('HTTP/1.1 202 Accepted\r\nLocation: /uploads/1\r\nContent-Length: 0\r\n\r\n')
    return
  }
  socket.removeAllListeners('data').pause()
  socket.write(refused, () => socket.destroy())
}

const server = createServer((socket) => {
  socket.on('error', () => undefined).on('data', (piece: Buffer) => take(socket, piece))
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object') parentPort?.postMessage(address?.port)
})
