import type { IncomingMessage } from 'node:http'
import { RegistryError } from '../protocol/errors.ts'
import { createTurnBytes } from './turn-bytes.ts'

export interface ArrivingOptions {
  /** Bytes the client has announced: with more or fewer it is SIZE_INVALID, and of more none is passed on. */
  readonly size?: number
  /** A client that sends nothing for this long is let go of. What it has sent stays, and it may go on later. */
  readonly idleMs?: number
}

/** How far the network may run ahead of the disk. */
const aheadBytes = 512 * 1024
// Node hands on up to 2 MiB of a socket at once: a millisecond and more, in which nobody else is answered. One chunk of 64 KiB a turn
// costs a push three hundredths of its rate.
const turnBytes = createTurnBytes(64 * 1024)

/**
 * The bytes of a request as they arrive, however long that takes in total. A chunk is gone once the next one is asked for.
 * Throws RegistryError BLOB_UPLOAD_INVALID where the client leaves before the end or stands still. By events, and no
 * generator: the stream's own iterator costs a third of the throughput, and a generator that waits cannot be left.
 */
export function arrivingBody(req: IncomingMessage, options: ArrivingOptions = {}): AsyncIterable<Uint8Array> {
  const { size, idleMs = 60_000 } = options
  const chunks: Uint8Array[] = []
  let [ahead, passed] = [0, 0]
  let outcome: 'end' | RegistryError | undefined
  let waiting: PromiseWithResolvers<IteratorResult<Uint8Array>> | undefined
  let lent: Uint8Array | undefined
  let clock: NodeJS.Timeout | undefined
  let itsTurn = true

  const listeners = {
    data(chunk: Uint8Array) {
      chunks.push(chunk)
      ahead += chunk.length
      itsTurn = turnBytes.take(chunk.length, goOn)
      if (!itsTurn || ahead >= aheadBytes) req.pause()
      give()
    },
    end: () => finish(size === undefined || passed + ahead === size ? 'end' : sizeInvalid()),
    error: () => finish(invalid('the connection ended before the content')),
    close: () => finish(invalid('the connection ended before the content'))
  }
  /** Not before somebody reads: a body may also be refused unread. */
  function start(): NodeJS.Timeout {
    for (const [event, listener] of Object.entries(listeners)) req.on(event, listener)
    if (req.destroyed) listeners.close()
    // The time the disk takes is not the client's.
    return setTimeout(() => waiting && finish(invalid('nothing came for too long')), idleMs)
  }

  function finish(how: 'end' | RegistryError): void {
    outcome ??= how
    give()
  }

  function sizeInvalid(): RegistryError {
    return new RegistryError('SIZE_INVALID', { announced: size })
  }

  function goOn(): void {
    itsTurn = true
    if (waiting) req.resume()
  }

  /** To whoever waits, what there is. */
  function give(): void {
    if (!waiting) return
    const value = chunks.shift()
    lent = value
    if (value) waiting.resolve({ done: false, value: within(value) })
    else if (outcome === 'end') waiting.resolve(stop())
    else if (outcome) {
      stop()
      waiting.reject(outcome)
    } else return
    waiting = undefined
  }

  function within(chunk: Uint8Array): Uint8Array {
    ahead -= chunk.length
    const inside = size === undefined ? chunk : chunk.subarray(0, size - passed)
    passed += inside.length
    if (inside.length === chunk.length) return chunk
    outcome = sizeInvalid()
    chunks.length = 0
    return inside
  }

  function stop(): IteratorResult<Uint8Array> {
    clearTimeout(clock)
    for (const [event, listener] of Object.entries(listeners)) req.off(event, listener)
    req.pause()
    return { done: true, value: undefined }
  }

  function next(): Promise<IteratorResult<Uint8Array>> {
    clock ??= start()
    if (lent) release(lent)
    lent = undefined
    waiting = Promise.withResolvers()
    const { promise } = waiting
    give()
    if (waiting) {
      clock.refresh()
      if (itsTurn) req.resume()
    }
    return promise
  }

  return { [Symbol.asyncIterator]: () => ({ next, return: async () => stop() }) }
}

/**
 * Gives the memory of a chunk back at once. Left to the garbage collector, a gigabyte of them makes it run through the whole heap
 * seventy times: a third of what an upload costs. Memory that holds anything else is left to it.
 */
function release({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}

function invalid(reason: string): RegistryError {
  return new RegistryError('BLOB_UPLOAD_INVALID', undefined, reason)
}
