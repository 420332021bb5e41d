import type { ContentSource } from '../../../modules/connected-registry/src/protocol/content.ts'
import type { Descriptor } from '../../../modules/connected-registry/src/protocol/descriptor.ts'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { randomBytes } from '../../fixtures/random-bytes.ts'

export interface SomeBlob {
  readonly bytes: Uint8Array
  readonly descriptor: Descriptor
  readonly source: ContentSource
  /** Where it was read from, request by request. */
  readonly offsets: readonly number[]
}

const pieceBytes = 60_000

/** A source of one blob that uses its buffer again for each piece, as sources may. */
export function someBlob(seed: string, size: number): SomeBlob {
  const bytes = randomBytes(seed, size)
  const offsets: number[] = []
  const source: ContentSource = {
    manifest: async () => undefined,
    referrers: async () => [],
    async blob(_, offset) {
      offsets.push(offset)
      return { start: offset, bytes: pieces(bytes, offset) }
    }
  }
  return {
    bytes,
    descriptor: { mediaType: 'application/octet-stream', digest: digestOf(bytes), size },
    source,
    offsets
  }
}

async function* pieces(bytes: Uint8Array, offset: number): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(pieceBytes)
  for (let at = offset; at < bytes.length; at += pieceBytes) {
    const piece = bytes.subarray(at, at + pieceBytes)
    buffer.set(piece)
    yield buffer.subarray(0, piece.length)
    buffer.fill(0)
  }
}
