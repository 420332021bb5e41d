import type { Digest } from '../protocol/digest.ts'

/** The manifests asked for last, by digest: what a digest names never changes, so nothing here grows stale. */
export interface ManifestCache {
  get(digest: Digest): Uint8Array | undefined
  set(digest: Digest, bytes: Uint8Array): void
}

export function createManifestCache(limitBytes: number): ManifestCache {
  // A Map keeps its order of insertion: the first one is the one not asked for the longest.
  const held = new Map<Digest, Uint8Array>()
  let size = 0

  function take(digest: Digest): Uint8Array | undefined {
    const bytes = held.get(digest)
    held.delete(digest)
    size -= bytes?.byteLength ?? 0
    return bytes
  }

  function set(digest: Digest, bytes: Uint8Array): void {
    take(digest)
    held.set(digest, bytes)
    size += bytes.byteLength
    for (const oldest of held.keys()) {
      if (size <= limitBytes) break
      take(oldest)
    }
  }

  return {
    set,
    get: (digest) => {
      const bytes = take(digest)
      if (bytes) set(digest, bytes)
      return bytes
    }
  }
}
