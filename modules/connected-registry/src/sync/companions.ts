import type { Digest } from '../protocol/digest.ts'
import { carryOut, type FailedStep } from './carry-out.ts'
import type { CopyJob } from './copy.ts'
import { type ParentView, resolveTags } from './look.ts'
import type { RepositoryContext } from './repository-context.ts'
import type { Selection } from './selection.ts'
import { planRepository } from './steps.ts'

export interface CompanionsOptions {
  readonly name: string
  readonly view: ParentView
  readonly selection: Selection
  readonly agreed: ReadonlyMap<string, Digest>
  readonly job: CopyJob
  readonly signal: AbortSignal
}

/**
 * Brings the tags about manifests that were not here when the rules chose: only now it is known what is below an image that arrived.
 * Resolves to the steps that failed.
 */
export async function bringCompanions(
  context: RepositoryContext,
  { name, view, selection, agreed, job, signal }: CompanionsOptions
): Promise<readonly FailedStep[]> {
  const names = await selection.companions(view.unwanted, view.tags.values())
  if (names.length === 0) return []
  const found = await namedBy(context, { name, view, names, signal })
  const late = { ...view, ...found, digests: undefined, unwanted: new Set<string>() }
  const bases = new Map(names.flatMap((tag) => (agreed.has(tag) ? [[tag, agreed.get(tag)!] as const] : [])))
  const { steps } = await planRepository({ ...context, wants: job.wants }, name, late, bases)
  return carryOut(context, name, job, steps, signal)
}

interface Named {
  readonly name: string
  readonly view: ParentView
  readonly names: readonly string[]
  readonly signal: AbortSignal
}

async function namedBy({ parent }: RepositoryContext, { name, view, names, signal }: Named) {
  const { listing } = view
  if (!listing) return resolveTags(parent.repository(name), names, signal)
  return { tags: new Map(names.map((tag) => [tag, listing.tags.get(tag)!.digest])), unknown: new Map() }
}
