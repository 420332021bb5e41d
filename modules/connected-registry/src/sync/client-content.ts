import { type Digest, parseDigest } from '../protocol/digest.ts'
import { parseManifest } from '../protocol/manifest.ts'
import type { Registry } from '../registry/registry.ts'
import type { PlannedStep } from './steps.ts'

export interface UsedContext {
  readonly registry: Registry
  readonly repository: string
  readonly bases: ReadonlyMap<string, Digest>
}

const pageSize = 1000

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

/** What tags that stay and manifests that only clients brought lead to. */
async function usedDigests(context: UsedContext, steps: readonly PlannedStep[]): Promise<ReadonlySet<string>> {
  const { registry, repository, bases } = context
  const moving = new Set(steps.filter(({ step }) => step.kind !== 'agree').map(({ reference }) => reference))
  const used = new Set<Digest>()
  for await (const tag of tagsOf(registry, repository)) {
    const record = moving.has(tag) ? undefined : await registry.tags.get(repository, tag)
    if (record) await follow(context, record.digest, used)
  }
  for await (const digest of manifestsOf(registry, repository)) {
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

async function* tagsOf({ tags }: Registry, repository: string): AsyncGenerator<string> {
  for (let after: string | undefined; ; ) {
    const page = await tags.list(repository, { after, limit: pageSize })
    yield* page
    if (page.length < pageSize) return
    after = page.at(-1)
  }
}

async function* manifestsOf({ manifests }: Registry, repository: string): AsyncGenerator<Digest> {
  for (let after: string | undefined; ; ) {
    const page = await manifests.list(repository, { after, limit: pageSize })
    for (const { digest } of page) yield digest
    if (page.length < pageSize) return
    after = page.at(-1)?.digest
  }
}
