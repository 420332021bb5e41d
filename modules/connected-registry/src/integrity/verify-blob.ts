import { algorithmOf, type Digest, newHash } from '../protocol/digest.ts'
import type { BlobReader } from '../storage/blob-store.ts'

/** Reads a blob to its end, a piece at a time, and says whether it is what its digest says. `onBytes` may hold it up. */
export async function matchesDigest(
  reader: BlobReader,
  digest: Digest,
  onBytes?: (count: number) => Promise<void> | undefined
): Promise<boolean> {
  const algorithm = algorithmOf(digest)
  const hash = newHash(algorithm)
  const piece = new Uint8Array(pieceBytes)
  try {
    for (;;) {
      const count = await reader.read(piece)
      if (count === 0) return `${algorithm}:${hash.digest('hex')}` === digest
      hash.update(piece.subarray(0, count))
      await onBytes?.(count)
    }
  } finally {
    await reader.close()
  }
}

const pieceBytes = 512 * 1024
