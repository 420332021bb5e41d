import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export const bare = 'bare server'

/** A Node server that does nothing but answer: what clients feel of it amid other work is the machine's. */
export interface BareServer {
  readonly port: number
  stop(): Promise<void>
}

export async function startBareServer(): Promise<BareServer> {
  const child = fork(fileURLToPath(new URL('./programs/bare-server.ts', import.meta.url)))
  const ended = once(child, 'exit')
  const tooSoon = ended.then(() => Promise.reject(new Error('the bare server has ended')))
  const [port] = await Promise.race([once(child, 'message'), tooSoon])
  tooSoon.catch(() => undefined)
  return {
    port,
    async stop() {
      child.disconnect()
      await ended
    }
  }
}
