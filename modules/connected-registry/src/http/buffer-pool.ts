/** Lends the buffers that content passes through on its way to a client. */
export interface BufferPool {
  take(): Uint8Array
  give(buffer: Uint8Array): void
}

const largeBytes = 2 ** 20
const smallBytes = 2 ** 16

/**
 * A megabyte a read is what makes a download fast; so many are kept and used again, and no more are lent at a time. When all
 * are out - to slow clients, then - the others get small ones of their own: nobody waits for somebody else's network.
 */
export function createBufferPool(largeLimit = 32): BufferPool {
  const free: Uint8Array[] = []
  let large = 0

  function take(): Uint8Array {
    const buffer = free.pop()
    if (buffer) return buffer
    if (large >= largeLimit) return Buffer.allocUnsafeSlow(smallBytes)
    large += 1
    return Buffer.allocUnsafeSlow(largeBytes)
  }

  function give(buffer: Uint8Array): void {
    if (buffer.length === largeBytes) free.push(buffer)
  }

  return { take, give }
}
