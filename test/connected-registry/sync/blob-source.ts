import { ParentError } from '../../../modules/connected-registry/src/parent/parent-error.ts'
import type { ContentSource } from '../../../modules/connected-registry/src/protocol/content.ts'
import type { Descriptor } from '../../../modules/connected-registry/src/protocol/descriptor.ts'
import { type Digest, digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { randomBytes } from '../../fixtures/random-bytes.ts'

/** A blob as a test wants it: its bytes, and what a manifest says of them. */
export interface TestBlob {
  readonly bytes: Uint8Array
  readonly descriptor: Descriptor
}

export function aBlob(seed: string, size = 100): TestBlob {
  const bytes = randomBytes(seed, size)
  return { bytes, descriptor: { mediaType: 'application/octet-stream', digest: digestOf(bytes), size } }
}

/** How one request for a blob goes: all its bytes, so many and then a cut, as many and then nothing until `until`. */
export type Delivery = 'whole' | { readonly cutAfter: number } | { readonly until: Promise<void> }

export interface BlobSource extends ContentSource {
  readonly requests: readonly { readonly digest: Digest; readonly offset: number; readonly last?: number | undefined }[]
  /** Contents that were handed out and not closed. */
  readonly held: number
  /** Deliveries that have begun and not ended. */
  readonly open: number
  readonly mostOpen: number
}

export interface BlobSourceOptions {
  readonly blobs: readonly TestBlob[]
  /** For one request after the other; whole ones after the last. */
  readonly deliveries?: readonly Delivery[]
  /** False: it cannot skip ahead. */
  readonly ranges?: boolean
  /** What a cut is reported as. */
  readonly failure?: () => Error
}

/** A source of blobs alone, in pieces of 10 bytes. */
export function createBlobSource({
  blobs,
  deliveries = [],
  ranges = true,
  failure = cut
}: BlobSourceOptions): BlobSource {
  const contents = new Map(blobs.map(({ bytes, descriptor }) => [descriptor.digest, bytes]))
  const requests: { digest: Digest; offset: number; last?: number | undefined }[] = []
  let open = 0
  let mostOpen = 0
  const held = new Set<Uint8Array>()

  async function* deliver(bytes: Uint8Array, delivery: Delivery, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    mostOpen = Math.max(mostOpen, ++open)
    try {
      const end = typeof delivery === 'object' && 'cutAfter' in delivery ? delivery.cutAfter : bytes.length
      for (let at = 0; at < end; at += 10) {
        signal.throwIfAborted()
        yield Buffer.from(bytes.subarray(at, Math.min(at + 10, end)))
      }
      if (typeof delivery === 'object' && 'until' in delivery) await delivery.until
      if (end < bytes.length) throw failure()
    } finally {
      open--
    }
  }

  return {
    requests,
    get held() {
      return held.size
    },
    get open() {
      return open
    },
    get mostOpen() {
      return mostOpen
    },
    manifest: async () => undefined,
    referrers: async () => [],
    async blob({ digest }, offset, signal, last) {
      const delivery = deliveries[requests.length] ?? 'whole'
      requests.push({ digest, offset, last })
      const bytes = contents.get(digest)
      if (!bytes) throw refused()
      const start = ranges ? offset : 0
      const rest = bytes.subarray(start, ranges && last !== undefined ? last + 1 : undefined)
      held.add(rest)
      return { start, bytes: deliver(rest, delivery, signal), close: () => void held.delete(rest) }
    }
  }
}

const url = new URL('https://parent.example/v2/plant/app/blobs')

function cut(): ParentError {
  return new ParentError('INTERRUPTED', { operation: 'blob', url })
}

export function refused(): ParentError {
  return new ParentError('DENIED', { operation: 'blob', url, status: 403 })
}

export function throttled(retryAfterMs: number): ParentError {
  return new ParentError('THROTTLED', { operation: 'blob', url, status: 429, retryAfterMs })
}
