import { open } from 'node:fs/promises'
import type { FileSync } from './upload-file.ts'

/** Brings a file to the disk while it still grows: whoever waits for its end waits for the last bytes alone. */
export interface EarlySync {
  /** Throws, as `done`, what a sync before has thrown: the system says it once. */
  wrote(bytes: number): void
  /** Resolves when no sync is under way. */
  done(): Promise<void>
}

/** Of a file that is smaller each byte is as good as the last. */
const syncBytes = 16 * 1024 * 1024

export function createEarlySync(path: string, sync: FileSync, everyBytes = syncBytes): EarlySync {
  let since = 0
  let running: Promise<void> | undefined
  let failure: { readonly error: unknown } | undefined

  async function run(): Promise<void> {
    try {
      // Where no descriptor is left the disk was not asked, and has not refused: it is asked again later.
      await using file = await open(path, 'r+').catch(() => undefined)
      if (file) await sync(file, 'data')
    } catch (error) {
      failure = { error }
    } finally {
      running = undefined
    }
  }

  function check(): void {
    if (failure) throw failure.error
  }

  return {
    wrote(bytes) {
      check()
      since += bytes
      if (since < everyBytes || running) return
      since = 0
      running = run()
    },
    async done() {
      await running
      check()
    }
  }
}
