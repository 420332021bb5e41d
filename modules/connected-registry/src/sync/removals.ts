import type { Digest } from '../protocol/digest.ts'
import { parseManifest } from '../protocol/manifest.ts'
import { manifestKind } from '../protocol/media-types.ts'
import type { Registry } from '../registry/registry.ts'
import { manifestsHere } from './local-catalog.ts'

export interface Removals {
  readonly registry: Registry
  readonly repository: string
  /** Manifests that are gone above. */
  readonly doomed: ReadonlySet<Digest>
  /** What tags here still point at, though they moved above. */
  readonly held: readonly Digest[]
}

/**
 * The manifests that may go, an index before what it names. What a manifest that stays here names stays with it, at any depth:
 * a manifest is only ever here with everything below it.
 */
export async function removableManifests({ registry, repository, doomed, held }: Removals): Promise<readonly Digest[]> {
  if (doomed.size === 0) return []
  const staying = new Set<Digest>(held)
  for (const digest of await indexesOf(registry, repository)) if (!doomed.has(digest)) staying.add(digest)
  // A set is walked to its end also while it grows.
  for (const digest of staying) {
    for (const child of await childrenOf(registry, repository, digest)) staying.add(child)
  }
  const leaving = new Set<Digest>()
  const addAfterChildren = async (digest: Digest): Promise<void> => {
    if (leaving.has(digest) || staying.has(digest) || !doomed.has(digest)) return
    for (const child of await childrenOf(registry, repository, digest)) await addAfterChildren(child)
    leaving.add(digest)
  }
  for (const digest of doomed) await addAfterChildren(digest)
  return [...leaving].reverse()
}

async function indexesOf(registry: Registry, repository: string): Promise<readonly Digest[]> {
  const indexes: Digest[] = []
  for await (const { digest, mediaType } of manifestsHere(registry, repository)) {
    if (manifestKind(mediaType) === 'index') indexes.push(digest)
  }
  return indexes
}

async function childrenOf(registry: Registry, repository: string, digest: Digest): Promise<readonly Digest[]> {
  const stored = await registry.manifests.get(repository, { kind: 'digest', digest })
  if (!stored) return []
  return parseManifest(stored.bytes, stored.descriptor.mediaType).manifests.map((child) => child.digest)
}
