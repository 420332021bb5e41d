/** Lends the buffers that content passes through on its way to a client. */
export interface BufferPool {
  take(): Uint8Array
  give(buffer: Uint8Array): void
}

interface Size {
  readonly bytes: number
  readonly limit: number
}

/** Each piece costs as much as the copy of half a megabyte: the fewer there are the better, and four downloads go first. */
const sharedSizes: readonly Size[] = [
  { bytes: 2 * 2 ** 20, limit: 8 },
  { bytes: 2 ** 20, limit: 16 }
]
const ownBytes = 2 ** 16

/**
 * Large reads are what makes a download fast; so many of each size are kept and used again, and no more are lent at a time. When
 * all are out - to slow clients, then - the others get small ones of their own: nobody waits for somebody else's network.
 */
export function createBufferPool(sizes: readonly Size[] = sharedSizes): BufferPool {
  const shelves = sizes.map(({ bytes, limit }) => ({ bytes, limit, made: 0, free: [] as Uint8Array[] }))

  function take(): Uint8Array {
    for (const shelf of shelves) {
      const buffer = shelf.free.pop()
      if (buffer) return buffer
      if (shelf.made >= shelf.limit) continue
      shelf.made += 1
      return Buffer.allocUnsafeSlow(shelf.bytes)
    }
    return Buffer.allocUnsafeSlow(ownBytes)
  }

  function give(buffer: Uint8Array): void {
    shelves.find(({ bytes }) => bytes === buffer.length)?.free.push(buffer)
  }

  return { take, give }
}
