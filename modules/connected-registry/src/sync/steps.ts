import type { Mode } from '../access/authorize.ts'
import type { ChildChoice } from '../protocol/descriptor.ts'
import type { Digest } from '../protocol/digest.ts'
import { parseDigest } from '../protocol/digest.ts'
import type { Registry } from '../registry/registry.ts'
import { withoutUsed } from './client-content.ts'
import type { ParentView } from './look.ts'
import { plan, type ReferenceState, type SyncStep } from './plan.ts'

/** One step with what it is about. `local` is what the plan saw here, and what the step insists on. */
export interface PlannedStep {
  readonly reference: string
  readonly local: Digest | null
  readonly step: SyncStep
}

export interface PlanContext {
  readonly registry: Registry
  readonly mode: Mode
  readonly wants?: ChildChoice
}

export function isRemoval({ step }: PlannedStep): boolean {
  return step.kind === 'remove' || step.kind === 'forget'
}

export interface RepositoryPlan {
  readonly steps: readonly PlannedStep[]
  /** The view lacks more than half of what was agreed on: removals wait until a second look says the same. */
  readonly shrunk: boolean
}

/** Compares one repository: every reference that either side or the bases know of. Tags come before digests. */
export async function planRepository(
  { registry, mode, wants }: PlanContext,
  repository: string,
  view: ParentView,
  bases: ReadonlyMap<string, Digest>
): Promise<RepositoryPlan> {
  const steps: PlannedStep[] = []
  for (const reference of references(view, bases)) {
    const base = bases.get(reference)
    const digest = parseDigest(reference)
    if (digest && !view.digests) continue
    const parent = digest ? (view.digests?.has(digest) ? digest : null) : (view.tags.get(reference) ?? null)
    const local = await localPlace(registry, repository, reference, digest)
    const step = await wholly({ registry, mode, wants }, repository, { reference, base, local, parent })
    if (step.kind !== 'none') steps.push({ reference, local, step })
  }
  const kept = mode === 'ReadWrite' ? await withoutUsed({ registry, repository, bases }, steps) : steps
  return { steps: kept, shrunk: isShrunk(view, bases) }
}

/**
 * Both hold the same index, but clients pushed it here without all of its manifests, or removed some: what is missing still has to
 * come. In ReadWrite mode what was agreed on before stays as clients have left it.
 */
async function wholly(
  { registry, mode, wants }: PlanContext,
  repository: string,
  state: ReferenceState
): Promise<SyncStep> {
  const step = plan(state, mode)
  const isAgreed = step.kind === 'none' && mode === 'ReadOnly'
  const { local, parent } = state
  if (step.kind !== 'agree' && !isAgreed) return step
  if (parent === null || local !== parent || (await registry.manifests.isWhole(repository, parent, wants))) return step
  return { kind: 'copyDown', digest: parent }
}

/** Tags and digests that the view can speak of, each once. */
function references(view: ParentView, bases: ReadonlyMap<string, Digest>): ReadonlySet<string> {
  const tags = [...view.tags.keys(), ...Array.from(bases.keys()).filter((reference) => !parseDigest(reference))]
  const digests = [...(view.digests ?? []), ...Array.from(bases.keys()).filter((reference) => parseDigest(reference))]
  return new Set([...tags, ...digests].filter((reference) => !view.unknown.has(reference)))
}

function isShrunk(view: ParentView, bases: ReadonlyMap<string, Digest>): boolean {
  let agreed = 0
  let shown = 0
  for (const reference of bases.keys()) {
    const digest = parseDigest(reference)
    if (digest && !view.digests) continue
    agreed++
    if (digest ? view.digests?.has(digest) : isShown(view, reference)) shown++
  }
  return shown * 2 < agreed
}

function isShown({ tags, unknown, unwanted }: ParentView, tag: string): boolean {
  return tags.has(tag) || unknown.has(tag) || unwanted.has(tag)
}

async function localPlace(registry: Registry, repository: string, reference: string, digest: Digest | undefined) {
  if (digest) return (await registry.manifests.stat(repository, { kind: 'digest', digest }))?.digest ?? null
  return (await registry.tags.get(repository, reference))?.digest ?? null
}
