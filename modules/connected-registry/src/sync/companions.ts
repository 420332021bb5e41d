import { carryOut, type FailedStep } from './carry-out.ts'
import type { ExecuteContext } from './execute.ts'
import { type ParentView, resolveTags } from './look.ts'
import type { RepositoryContext } from './repository-context.ts'
import type { Selection } from './selection.ts'
import { planRepository, type RepositoryFacts } from './steps.ts'

export interface CompanionsOptions {
  readonly facts: RepositoryFacts & { readonly view: ParentView }
  readonly selection: Selection
  readonly executing: ExecuteContext
  readonly signal: AbortSignal
}

export interface BroughtCompanions extends Pick<ParentView, 'unknown'> {
  readonly failed: readonly FailedStep[]
}

export const noCompanions: BroughtCompanions = { failed: [], unknown: new Map() }

/**
 * Brings the tags about manifests that were not here when the rules chose: only now it is known what is below an image that arrived.
 */
export async function bringCompanions(
  context: RepositoryContext,
  { facts, selection, executing, signal }: CompanionsOptions
): Promise<BroughtCompanions> {
  const { repository: name, view } = facts
  const names = await selection.companions(view.unwanted, view.tags.values())
  if (names.length === 0) return noCompanions
  const found = await namedBy(context, { name, view, names, signal })
  const late = { ...view, ...found, digests: undefined, unwanted: new Set<string>() }
  const [bases, outbound] = [only(facts.bases, names), only(facts.outbound, names)]
  const { wants } = executing
  const { steps } = await planRepository(
    { ...context, wants },
    { ...facts, bases, outbound, view: late, asked: new Map() }
  )
  return { failed: await carryOut(context, executing, steps, signal), unknown: found.unknown }
}

function only<T>(known: ReadonlyMap<string, T>, names: readonly string[]): ReadonlyMap<string, T> {
  return new Map(names.flatMap((name) => (known.has(name) ? [[name, known.get(name)!] as const] : [])))
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
