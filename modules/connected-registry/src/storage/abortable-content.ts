/**
 * The chunks of `content` until the signal aborts; then throws its reason, even while the source hangs.
 * One listener for the whole content: a race for each chunk would pile up reactions on the signal.
 */
export async function* untilAborted(
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal
): AsyncIterable<Uint8Array> {
  const iterator = content[Symbol.asyncIterator]()
  let interrupt: (reason: unknown) => void = () => undefined
  const abort = () => interrupt(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  let open = true
  try {
    while (true) {
      signal.throwIfAborted()
      const next = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        interrupt = reject
        iterator.next().then(resolve, (error: unknown) => {
          open = false
          reject(error)
        })
      })
      open = !next.done
      if (next.done) return
      yield next.value
    }
  } finally {
    signal.removeEventListener('abort', abort)
    if (open) release(iterator)
  }
}

/** Not awaited: a hung source would hold us. Who left has the reason already, so a failure to end adds nothing. */
function release(iterator: AsyncIterator<Uint8Array>): void {
  iterator.return?.().catch(() => undefined)
}
