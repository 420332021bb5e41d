import { open } from 'node:fs/promises'
import type { FileSync } from './durable-files.ts'

/** Brings a file to the disk while it still grows: whoever waits for its end waits for the last bytes alone. */
export interface EarlySync {
  /** Throws, as `done`, what a sync before has thrown: the system says it once. */
  wrote(bytes: number): void
  /** Resolves when no sync is under way. */
  done(): Promise<void>
}

/** Of a file that is smaller each byte is as good as the last. */
const syncBytes = 8 * 1024 * 1024
/** Of the four threads on which Node waits for files: on a slow disk, whoever opens a blob must still find one. */
const mostAtOnce = 2

/** The early syncs of one store: where so many are under way, a file that has grown is synced once another one is done. */
export interface EarlySyncPlaces {
  take(): boolean
  give(): void
}

export function createEarlySyncPlaces(most = mostAtOnce): EarlySyncPlaces {
  let free = most
  return {
    take() {
      if (free === 0) return false
      free--
      return true
    },
    give() {
      free++
    }
  }
}

export interface EarlySyncOptions {
  readonly places: EarlySyncPlaces
  readonly everyBytes?: number
}

export function createEarlySync(path: string, sync: FileSync, options: EarlySyncOptions): EarlySync {
  const { places, everyBytes = syncBytes } = options
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
      places.give()
    }
  }

  function check(): void {
    if (failure) throw failure.error
  }

  return {
    wrote(bytes) {
      check()
      since += bytes
      if (since < everyBytes || running || !places.take()) return
      since = 0
      running = run()
    },
    async done() {
      await running
      check()
    }
  }
}
