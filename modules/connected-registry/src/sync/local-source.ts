import type { ContentSource } from '../protocol/content.ts'
import type { Registry } from '../registry/registry.ts'
import type { BlobReader } from '../storage/blob-store.ts'
import { CopyError } from './copy.ts'

const pieceBytes = 256 * 1024

/** A repository of the registry here, as copying reads it. */
export function createLocalSource({ manifests, blobs, referrers }: Registry, repository: string): ContentSource {
  return {
    manifest: (reference) => manifests.get(repository, reference),
    async blob({ digest, size }, offset) {
      if (offset === size) return { start: offset, bytes: piecesOf(undefined) }
      const reader = await blobs.open(repository, digest, { first: offset, last: size - 1 })
      if (!reader) throw new CopyError('CONTENT_MISSING', digest, 'this registry')
      return { start: offset, bytes: piecesOf(reader), close: () => void reader.close() }
    },
    referrers: (subject) => referrers.list(repository, subject)
  }
}

/** One buffer for all of them: whoever reads is done with a piece before the next one. */
async function* piecesOf(reader: BlobReader | undefined): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(reader ? pieceBytes : 0)
  for (;;) {
    const count = reader ? await reader.read(buffer) : 0
    if (count === 0) return
    yield buffer.subarray(0, count)
  }
}
