import { startOwnProgram } from './own-program.ts'
import type { Reading } from './programs/bare-reader.ts'

export const bareReader = 'bare reader'

/** A Node program that brings content and does nothing else: it tells how much of a round is Node's and the machine's. */
export interface BareReader {
  /** Resolves to seconds. */
  read(reading: Reading): Promise<number>
  stop(): Promise<void>
}

export function startBareReader(): BareReader {
  const { send, told, stop } = startOwnProgram('bare-reader.ts')
  return {
    async read(reading) {
      send(reading)
      return ((await told()) as number) / 1000
    },
    stop
  }
}
