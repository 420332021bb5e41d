import { type Digest, parseDigest } from '../protocol/digest.ts'
import type { Registry } from '../registry/registry.ts'
import { keys } from '../storage/layout.ts'
import type { Entry, RecordStore } from '../storage/record-store.ts'
import { basesOf } from './bases.ts'
import { manifestsHere, repositoriesHere, tagsHere } from './local-catalog.ts'

export interface Comparison {
  readonly registry: Registry
  readonly records: RecordStore
  /** The head of the change log before anything is compared. */
  readonly sequence: number
}

/**
 * For a reader of the log that is behind what was trimmed: everything here that is not as any parent last agreed counts as changed
 * here. That a digest is gone proves no client's deletion, so that none is deleted above for it.
 */
export async function compareAll(comparison: Comparison): Promise<void> {
  for await (const repository of repositoriesHere(comparison.registry)) {
    const changed = await changedIn(comparison, repository)
    for (const entry of changed) await unlessNoted(comparison.records, entry)
  }
}

async function changedIn({ registry, records, sequence }: Comparison, repository: string): Promise<readonly Entry[]> {
  const changed: Entry[] = []
  const note = (reference: string) => void changed.push([keys.outbound(repository, reference), { sequence }])
  const bases = await basesOf(records, repository)
  const gone = new Set(bases.keys())
  for await (const tag of tagsHere(registry, repository)) {
    gone.delete(tag)
    if ((await registry.tags.get(repository, tag))?.digest !== bases.get(tag)?.digest) note(tag)
  }
  for (const tag of gone) if (!parseDigest(tag)) note(tag)
  // Below a parent that lists tags only no digest has a base, whoever brought it: the tags bring what they need.
  if (!hasDigests(bases)) return changed
  for await (const { digest } of manifestsHere(registry, repository)) if (!bases.has(digest)) note(digest)
  return changed
}

function hasDigests(bases: ReadonlyMap<string, { readonly digest: Digest }>): boolean {
  return bases.size === 0 || Array.from(bases.keys()).some((reference) => parseDigest(reference))
}

async function unlessNoted(records: RecordStore, [key, value]: Entry): Promise<void> {
  if ((await records.get(key)) === undefined) await records.commit({ put: [[key, value]] })
}
