/** How fast one connection brings content, as measured: whether several of them would bring a large blob sooner. */
export interface Pace {
  /** True: the link is so long, or so slow, that one connection does not fill it. Undefined: not known yet. */
  readonly isLong: boolean | undefined
  /** Hands the content through and measures it. */
  measure(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array>
}

/** Less than this says nothing: the first bytes of a connection come slowly. */
const leastBytes = 1024 * 1024
/** 40 MB/s. At 50 ms round trip, a connection with a window of 2 MiB. */
const longBytesPerMs = 40_000

export function createPace(now = () => performance.now()): Pace {
  let bytesPerMs: number | undefined

  function note(bytes: number, ms: number): void {
    if (bytes < leastBytes) return
    const measured = bytes / Math.max(ms, 0.001)
    bytesPerMs = bytesPerMs === undefined ? measured : bytesPerMs + (measured - bytesPerMs) / 4
  }

  return {
    get isLong() {
      return bytesPerMs === undefined ? undefined : bytesPerMs < longBytesPerMs
    },
    async *measure(content) {
      let bytes = 0
      // The time the reader takes is not the link's.
      let waited = 0
      let since = now()
      try {
        for await (const chunk of content) {
          waited += now() - since
          bytes += chunk.byteLength
          yield chunk
          since = now()
        }
      } finally {
        note(bytes, waited)
      }
    }
  }
}
