import { once } from 'node:events'
import type { AddressInfo, Server, Socket } from 'node:net'

/** `127.0.0.1:<port>`, a free one. */
export async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Takes no more connections, and ends those there are at once. */
export function cut(server: Server, sockets: Iterable<Socket>): void {
  server.close()
  for (const socket of sockets) socket.destroy()
}
