import type { Seen } from '../parent/manifests.ts'
import { ParentError } from '../parent/parent-error.ts'
import type { ParentRepository } from '../parent/parent-registry.ts'
import type { StoredManifest } from '../protocol/content.ts'
import type { Digest } from '../protocol/digest.ts'

/** Bytes of manifests that a look has read and nobody has taken yet. */
const keptLimit = 4 * 1024 * 1024

/**
 * The same repository, whose new tags, and those that name something else than was agreed on, are read whole where they are only
 * looked at: what they name is most likely wanted next, and is handed out then, once, without another request. Nothing is
 * remembered of where a tag points.
 */
export function createReadAhead(
  repository: ParentRepository,
  agreed: Pick<ReadonlyMap<string, Digest>, 'get'>
): ParentRepository {
  const kept = new Map<Digest, StoredManifest>()
  let keptBytes = 0

  function keep(manifest: StoredManifest): void {
    const { digest, size } = manifest.descriptor
    // Many are read at once: what comes when there is no room is asked for again when it is wanted.
    if (kept.has(digest) || keptBytes + size > keptLimit) return
    kept.set(digest, manifest)
    keptBytes += size
  }

  function take(digest: Digest): StoredManifest | undefined {
    const manifest = kept.get(digest)
    if (kept.delete(digest)) keptBytes -= manifest?.descriptor.size ?? 0
    return manifest
  }

  async function read(tag: string, signal: AbortSignal): Promise<Seen | undefined> {
    const manifest = await repository.manifest({ kind: 'tag', tag }, signal)
    return manifest && { digest: manifest.descriptor.digest, manifest }
  }

  return {
    ...repository,
    async resolveTag(tag, signal) {
      if (keptBytes >= keptLimit) return repository.resolveTag(tag, signal)
      try {
        const known = agreed.get(tag)
        const seen = known ? await repository.lookAgain(tag, known, signal) : await read(tag, signal)
        if (seen?.manifest && seen.digest !== known) keep(seen.manifest)
        return seen
      } catch (error) {
        // What cannot be read can be named all the same; why it is not brought is told of the step that brings it.
        if (isUnreadable(error)) return repository.resolveTag(tag, signal)
        throw error
      }
    },
    async manifest(reference, signal) {
      const known = reference.kind === 'digest' ? take(reference.digest) : undefined
      return known ?? repository.manifest(reference, signal)
    }
  }
}

function isUnreadable(error: unknown): boolean {
  return error instanceof ParentError && (error.code === 'BAD_ANSWER' || error.code === 'DIGEST_MISMATCH')
}
