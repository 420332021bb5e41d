import type { ChildChoice } from '../protocol/descriptor.ts'
import type { Digest } from '../protocol/digest.ts'
import { parseManifest } from '../protocol/manifest.ts'
import { manifestKind } from '../protocol/media-types.ts'
import type { RecordStore } from '../storage/record-store.ts'
import { getLink } from './records.ts'

export interface WholenessDeps {
  readonly records: RecordStore
  readonly readBytes: (digest: Digest) => Promise<Uint8Array>
  readonly wants?: ChildChoice
}

/**
 * Whether a manifest is here with everything below it. Clients may push an index without some of its manifests, and remove one of
 * them later: that an index is here says nothing of what it names.
 */
export async function isWhole({ records, readBytes, wants }: WholenessDeps, repository: string, digest: Digest) {
  // A set is walked to its end also while it grows; each manifest is looked at once, however many indexes name it.
  const named = new Set([digest])
  for (const each of named) {
    const link = await getLink(records, repository, each)
    if (!link?.manifest) return false
    if (manifestKind(link.mediaType) !== 'index') continue
    const { manifests } = parseManifest(await readBytes(each), link.mediaType)
    for (const child of manifests) if (!wants || wants(child, manifests)) named.add(child.digest)
  }
  return true
}
