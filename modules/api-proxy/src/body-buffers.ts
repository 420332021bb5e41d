/** Memory that bodies are read into, used again from one body to the next. */
export interface BodyBuffers {
  take(): Buffer
  /** For one that nothing is read from or written out of any more. */
  giveBack(buffer: Buffer): void
  /** For one that may still be in use somewhere: it is left to the garbage collector. */
  giveUp(buffer: Buffer): void
}

// Each piece costs a turn of the event loop and two of waiting: with 2 MiB a GiB costs a quarter less than with 1 MiB.
const large = { bytes: 2 * 1024 * 1024, count: 4 }
const small = { bytes: 256 * 1024, kept: 16 }

/** Large ones for the first few bodies at a time; who comes then gets a small one, so that many do not fill the memory. */
export function createBodyBuffers(): BodyBuffers {
  const largeAtRest: Buffer[] = []
  const smallAtRest: Buffer[] = []
  let largeInUse = 0

  return {
    take() {
      if (largeInUse === large.count) return smallAtRest.pop() ?? Buffer.allocUnsafeSlow(small.bytes)
      largeInUse += 1
      return largeAtRest.pop() ?? Buffer.allocUnsafeSlow(large.bytes)
    },
    giveBack(buffer) {
      if (buffer.length === large.bytes) {
        largeInUse -= 1
        largeAtRest.push(buffer)
      } else if (smallAtRest.length < small.kept) {
        smallAtRest.push(buffer)
      }
    },
    giveUp(buffer) {
      if (buffer.length === large.bytes) largeInUse -= 1
    }
  }
}
