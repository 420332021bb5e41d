import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Reading } from './programs/bare-reader.ts'

export const bareReader = 'bare reader'

/** A Node program that brings content and does nothing else: it tells how much of a round is Node's and the machine's. */
export interface BareReader {
  /** Resolves to seconds. */
  read(reading: Reading): Promise<number>
  stop(): Promise<void>
}

export function startBareReader(): BareReader {
  const child = fork(fileURLToPath(new URL('./programs/bare-reader.ts', import.meta.url)))
  const ended = once(child, 'exit')
  const tooSoon = ended.then(() => Promise.reject(new Error('the bare reader has ended')))
  tooSoon.catch(() => undefined)
  return {
    async read(reading) {
      child.send(reading)
      const [ms] = await Promise.race([once(child, 'message'), tooSoon])
      return ms / 1000
    },
    async stop() {
      if (child.connected) child.disconnect()
      await ended
    }
  }
}
