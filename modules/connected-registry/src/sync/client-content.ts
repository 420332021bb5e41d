import { type Digest, parseDigest } from '../protocol/digest.ts'
import { parseManifest } from '../protocol/manifest.ts'
import type { Registry } from '../registry/registry.ts'
import { manifestsHere, tagsHere } from './local-catalog.ts'
import type { SyncStep } from './plan.ts'
import type { PlannedStep } from './steps.ts'

export interface UsedContext {
  readonly registry: Registry
  readonly repository: string
  readonly bases: ReadonlyMap<string, Digest>
}

/**
 * The steps without the removals of digests that clients of this site have built on: a manifest goes with the tags that point at
 * it, and a tag or an index that a client put there is not the parent's to take away (ReadWrite mode).
 */
export async function withoutUsed(
  context: UsedContext,
  steps: readonly PlannedStep[]
): Promise<readonly PlannedStep[]> {
  if (!steps.some(isDigestRemoval)) return steps
  const used = await usedDigests(context, steps)
  return steps.filter((planned) => !isDigestRemoval(planned) || !used.has(planned.reference))
}

function isDigestRemoval({ reference, step }: PlannedStep): boolean {
  return step.kind === 'remove' && parseDigest(reference) !== undefined
}

/** The tag does not point any more at what it points at now, and nothing else is put there in its place. */
function isLeaving({ kind }: SyncStep): boolean {
  return kind === 'copyDown' || kind === 'remove'
}

/** What tags that stay and manifests that only clients brought lead to. */
async function usedDigests(context: UsedContext, steps: readonly PlannedStep[]): Promise<ReadonlySet<string>> {
  const { registry, repository, bases } = context
  const moving = new Set(steps.filter(({ step }) => isLeaving(step)).map(({ reference }) => reference))
  const used = new Set<Digest>()
  for await (const tag of tagsHere(registry, repository)) {
    const record = moving.has(tag) ? undefined : await registry.tags.get(repository, tag)
    if (record) await follow(context, record.digest, used)
  }
  for await (const { digest } of manifestsHere(registry, repository)) {
    if (!bases.has(digest)) await follow(context, digest, used)
  }
  return used
}

async function follow(context: UsedContext, digest: Digest, used: Set<Digest>): Promise<void> {
  if (used.has(digest)) return
  used.add(digest)
  const stored = await context.registry.manifests.get(context.repository, { kind: 'digest', digest })
  const manifests = stored ? parseManifest(stored.bytes, stored.descriptor.mediaType).manifests : []
  for (const child of manifests) await follow(context, child.digest, used)
}
