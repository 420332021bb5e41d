import type { ServerResponse } from 'node:http'
import { stalledMs } from './answer.ts'
import type { BufferPool } from './buffer-pool.ts'

/** Fills buffers it is lent; 0 bytes at the end. */
export interface BlobContent {
  read(into: Uint8Array): Promise<number>
  close(): Promise<void>
}

/**
 * Everything the reader gives, then the end of the answer. One buffer is filled while the other is on its way, and none is
 * used again before the socket has taken it. Resolves quietly where the client leaves; the reader is closed in any case.
 */
export async function sendBlob(
  reader: BlobContent,
  response: ServerResponse,
  pool: BufferPool,
  timeoutMs: number = stalledMs
): Promise<void> {
  const buffers = [pool.take(), pool.take()] as const
  // The socket's own clock: it runs while nothing moves, so a slow client that takes a little at a time stays.
  response.setTimeout(timeoutMs)
  try {
    await pump(reader, response, buffers)
    response.end()
  } finally {
    await reader.close()
    for (const buffer of buffers) pool.give(buffer)
  }
}

async function pump(
  reader: BlobContent,
  response: ServerResponse,
  [first, second]: readonly [Uint8Array, Uint8Array]
): Promise<void> {
  let sending: Promise<boolean> = Promise.resolve(true)
  for (let [into, other] = [first, second]; ; [into, other] = [other, into]) {
    const count = await reader.read(into).catch(after(sending))
    if (!(await sending) || count === 0) return
    sending = send(response, into.subarray(0, count))
  }
}

// A buffer goes back to the pool only when nothing is written from it any more, on failure too.
function after(sending: Promise<boolean>): (error: unknown) => Promise<never> {
  return async (error) => {
    await sending
    throw error
  }
}

/** False: the client is gone. A write that a closed socket never took is not called back. */
function send(response: ServerResponse, chunk: Uint8Array): Promise<boolean> {
  if (response.destroyed) return Promise.resolve(false)
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const gone = () => resolve(false)
  response.once('close', gone)
  response.write(chunk, (error) => {
    response.off('close', gone)
    resolve(!error)
  })
  return promise
}
