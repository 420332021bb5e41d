import type { StoredManifest } from '../protocol/content.ts'
import type { Descriptor } from '../protocol/descriptor.ts'
import type { Digest } from '../protocol/digest.ts'
import type { Manifest } from '../protocol/manifest.ts'
import { keys } from '../storage/layout.ts'
import type { RecordStore } from '../storage/record-store.ts'
import { pages } from './records.ts'
import type { Referrers } from './registry.ts'
import type { Draft } from './transaction.ts'

export function createReferrers({ records }: { readonly records: RecordStore }): Referrers {
  return {
    list: async (repository, subject) => {
      const found: Descriptor[] = []
      for await (const page of pages(records, keys.referrers(repository, subject), 1000)) {
        found.push(...page.map(([, value]) => value as unknown as Descriptor))
      }
      return found
    },
    async page(repository, subject, { bytes, after, artifactType }) {
      const referrers: Descriptor[] = []
      const behind = after && keys.referrer(repository, subject, after)
      let size = 0
      for await (const page of pages(records, keys.referrers(repository, subject), readAtOnce, behind)) {
        for (const referrer of page.map(([, value]) => value as unknown as Descriptor)) {
          if (artifactType !== undefined && referrer.artifactType !== artifactType) continue
          size += Buffer.byteLength(JSON.stringify(referrer))
          const last = referrers.at(-1)
          if (last && size > bytes) return { referrers, next: last.digest }
          referrers.push(referrer)
        }
      }
      return { referrers }
    }
  }
}

/** The annotations of one may be 4 MiB. */
const readAtOnce = 16

/** Adds the record of a manifest about `subject` to the draft, as a referrers list shows it. */
export function putReferrer(
  draft: Draft,
  referrer: {
    readonly repository: string
    readonly subject: Digest
    readonly stored: StoredManifest
    readonly manifest: Manifest
  }
): void {
  const { digest, size } = referrer.stored.descriptor
  const { mediaType, artifactType, annotations } = referrer.manifest
  const record = { mediaType, digest, size, ...(artifactType && { artifactType }), ...(annotations && { annotations }) }
  draft.put.push([keys.referrer(referrer.repository, referrer.subject, digest), record])
}

export function dropReferrer(
  draft: Draft,
  { repository, subject, digest }: { readonly repository: string; readonly subject: Digest; readonly digest: Digest }
): void {
  draft.remove.push(keys.referrer(repository, subject, digest))
}
