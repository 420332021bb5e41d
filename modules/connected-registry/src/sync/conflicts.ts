import { type Digest, hexOf } from '../protocol/digest.ts'
import type { Registry } from '../registry/registry.ts'
import { keys } from '../storage/layout.ts'
import type { Batch, RecordStore } from '../storage/record-store.ts'
import { readAll } from './record-pages.ts'
import type { NewDetail } from './status.ts'

/** What a conflict tag keeps, and for which tag. */
export type ConflictRecord = {
  readonly tag: string
  readonly digest: Digest
  /** RFC 3339, UTC. */
  readonly at: string
}

const tagLimit = 128
const nameLimit = 40

/** `<tag cut to fit>-conflict-<registry>-<12 hex>`: the same content that lost for the same tag gets the same name. */
export function conflictTag(tag: string, registryName: string, digest: Digest, hexDigits = 12): string {
  const name = registryName.replaceAll(/[^A-Za-z0-9_.-]/g, '-').slice(0, nameLimit)
  const suffix = `-conflict-${name}-${hexOf(digest).slice(0, hexDigits)}`
  return `${tag.slice(0, tagLimit - suffix.length)}${suffix}`
}

/** To be written along with the tag. */
export function conflictBatch(repository: string, conflict: string, record: ConflictRecord): Batch {
  return { put: [[keys.conflict(repository, conflict), record]] }
}

/** A detail for each conflict tag that is still here: whoever has merged the two removes it, on either side. */
export async function conflictDetails(registry: Registry, records: RecordStore): Promise<readonly NewDetail[]> {
  const details: NewDetail[] = []
  for await (const [key, value] of readAll(records, keys.conflicts)) {
    const [repository = '', kept = ''] = key.slice(keys.conflicts.length).split(':')
    const { tag, digest } = value as ConflictRecord
    if ((await registry.tags.get(repository, kept))?.digest === digest) details.push(detailOf(repository, tag, kept))
    else await records.commit({ remove: [key], expect: [[key, value]] })
  }
  return details
}

function detailOf(repository: string, tag: string, kept: string): NewDetail {
  const description = `${repository}:${tag} was changed here and above; the parent's is in force, the other is kept as ${kept}`
  return { type: 'Content', code: 'TAG_CONFLICT', description }
}
