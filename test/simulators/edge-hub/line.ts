import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A network path to a port of this machine that can go silent: nothing is delivered, and nobody is told. */
export interface Line {
  /** `127.0.0.1:port`. */
  readonly address: string
  readonly silent: boolean
  hush(): void
  /** What was sent meanwhile is lost with its connection, as after a long outage; new connections work. */
  restore(): void
  close(): Promise<void>
}

export async function createLine(targetPort: number): Promise<Line> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let silent = false

  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true })
    const pair = [near, far] as const
    pairs.add(pair)
    for (const [from, to] of [pair, [far, near] as const]) {
      from.on('data', (chunk) => !silent && to.write(chunk))
      from.on('end', () => !silent && to.end())
      from.on('error', () => undefined)
      from.on('close', () => !silent && to.destroy())
    }
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')

  function drop(): void {
    for (const [near, far] of pairs) {
      near.destroy()
      far.destroy()
    }
    pairs.clear()
  }

  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get silent() {
      return silent
    },
    hush() {
      silent = true
    },
    restore() {
      silent = false
      drop()
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      drop()
      await closed
    }
  }
}
