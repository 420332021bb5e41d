import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A program of the bench's own in a process beside this one, which it ends with. */
export interface OwnProgram {
  send(message: string | object): void
  /** The next that it tells. Rejects where it ends instead. */
  told(): Promise<unknown>
  /** Resolves when it has ended by itself. */
  readonly ended: Promise<unknown>
  stop(): Promise<void>
}

/** `file`: of the folder `programs`. */
export function startOwnProgram(file: string, words: readonly string[] = []): OwnProgram {
  const child = fork(fileURLToPath(new URL(`./programs/${file}`, import.meta.url)), [...words])
  const ended = once(child, 'exit')
  const tooSoon = ended.then(() => Promise.reject(new Error(`${file} has ended`)))
  tooSoon.catch(() => undefined)
  return {
    send: (message) => void child.send(message),
    told: async () => (await Promise.race([once(child, 'message'), tooSoon]))[0],
    ended,
    async stop() {
      if (child.connected) child.disconnect()
      await ended
    }
  }
}
