import type { Digest } from '../protocol/digest.ts'
import { parseManifest } from '../protocol/manifest.ts'
import type { RecordStore } from '../storage/record-store.ts'
import { getLink } from './records.ts'

export interface WholenessDeps {
  readonly records: RecordStore
  readonly readBytes: (digest: Digest) => Promise<Uint8Array>
}

const depthLimit = 16

/**
 * Whether a manifest is here with everything below it. Clients may push an index some of whose manifests they leave out; what
 * was missing then may have come since. A marked index deeper than any real one counts as not whole.
 */
export async function isWhole(deps: WholenessDeps, repository: string, digest: Digest, depth = 0): Promise<boolean> {
  const link = await getLink(deps.records, repository, digest)
  if (!link?.manifest) return false
  if (!link.sparse) return true
  if (depth === depthLimit) return false
  const { manifests } = parseManifest(await deps.readBytes(digest), link.mediaType)
  for (const child of manifests) if (!(await isWhole(deps, repository, child.digest, depth + 1))) return false
  return true
}
