import { keys } from '../storage/layout.ts'
import type { Catalog } from './catalog.ts'
import type { Findings } from './findings.ts'

/**
 * The records that answer who names a digest say exactly what links, tags and manifests say: one too few, and the garbage collector
 * removes what is needed. A store from before there were any is given them at its next start.
 */
export function examineIndexes(catalog: Catalog, { problems }: Findings): void {
  if (!catalog.indexes.complete) return
  const unexplained = new Set(catalog.indexes.keys)
  for (const key of expectedKeys(catalog)) {
    if (!catalog.indexes.keys.has(key)) problems.push({ kind: 'INDEX_WRONG', subject: key, detail: 'is missing' })
    unexplained.delete(key)
  }
  for (const key of unexplained) problems.push({ kind: 'INDEX_WRONG', subject: key, detail: 'is said of nothing' })
}

function* expectedKeys({ repositories, manifests }: Catalog): Generator<string> {
  for (const [name, { links, tags }] of repositories) {
    for (const [tag, { digest }] of tags) yield keys.tagged(name, digest, tag)
    for (const [digest, { manifest }] of links) {
      yield keys.holder(digest, name)
      const names = manifest ? manifests.get(digest)?.names : undefined
      if (!names) continue
      for (const named of [...names.blobs, ...names.foreign, ...names.manifests]) yield keys.use(name, named, digest)
    }
  }
}
