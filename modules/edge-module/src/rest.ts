import { getHeapStatistics } from 'node:v8'

/** What is asked of the engine, so that a test need not wait for any of it. */
export interface Engine {
  /** Bytes that were ever allocated: how busy the module is, however busy the machine. */
  allocatedBytes(): number
  /** Bytes on the heap and beside it, garbage included. */
  usedBytes(): number
  /** Undefined: Node was not started with `--expose-gc`. */
  readonly collect: (() => void) | undefined
}

const mebibyte = 1024 * 1024
// Looking at clocks and at the settings file counts for 1 to 1.9 MiB in five seconds: the engine counts the pieces it hands out.
const restLimit = 2 * mebibyte
// A collection takes a tenth of a second of CPU: one for each poll and each report would be one too many.
const grownLimit = 4 * mebibyte

/**
 * V8 collects when something is allocated. A module that was busy and now waits would keep its garbage, and the pages it lay
 * in, for as long as nothing happens: they go back to the system after the first `lookMs` in which it had nearly nothing to do.
 */
export function collectAtRest(lookMs: number, engine: Engine = createEngine()): void {
  const { collect } = engine
  if (!collect) return
  let kept = 0
  let before = 0
  const look = () => {
    const allocated = engine.allocatedBytes()
    const isAtRest = allocated - before < restLimit
    before = allocated
    const used = engine.usedBytes()
    // What was in use at the last collection may have gone since.
    kept = Math.min(kept, used)
    if (!isAtRest || used - kept < grownLimit) return
    collect()
    kept = engine.usedBytes()
  }
  setInterval(look, lookMs).unref()
}

function createEngine(): Engine {
  const { gc } = globalThis
  return {
    allocatedBytes: () => getHeapStatistics().total_allocated_bytes,
    usedBytes() {
      const { used_heap_size, external_memory } = getHeapStatistics()
      return used_heap_size + external_memory
    },
    // The only flavor that gives pages back.
    collect: gc && (() => gc({ type: 'major', execution: 'sync', flavor: 'last-resort' }))
  }
}
