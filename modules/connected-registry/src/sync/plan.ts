import type { Mode } from '../access/authorize.ts'
import type { Digest } from '../protocol/digest.ts'

/** Where one reference (a tag or a digest) stands: on both sides now, and when both last agreed. Null: not there. */
export interface ReferenceState {
  readonly reference: string
  /** Undefined: the two sides never agreed on it, or it was another parent they agreed with. */
  readonly base: Digest | undefined
  readonly local: Digest | null
  readonly parent: Digest | null
  /** What the parent said of its creation when both agreed, and says now (`sinceAbove`). Undefined: that is unknown. */
  readonly baseSince?: string | undefined
  readonly parentSince?: string | undefined
  /** Somebody here changed it since both agreed, though it may be again as it was. */
  readonly isTouched?: boolean
  readonly refusal?: Refusal
}

/** The parent said no to what is here in place of what it has. */
export type Refusal = {
  readonly local: Digest | null
  readonly parent: Digest | null
}

export type SyncStep =
  | { readonly kind: 'none' }
  /** Only the base is written: both sides hold this already. */
  | { readonly kind: 'agree'; readonly digest: Digest }
  /** `sparse`: of an index that is here already, what the parent holds of the rest. */
  | { readonly kind: 'copyDown'; readonly digest: Digest; readonly sparse?: true }
  | { readonly kind: 'remove' }
  /** Neither side holds it any more. */
  | { readonly kind: 'forget' }
  | { readonly kind: 'copyUp'; readonly digest: Digest }
  | { readonly kind: 'removeAbove' }
  /** The parent's comes here (null: it has none), and what was here is kept under a tag of its own. */
  | { readonly kind: 'conflict'; readonly digest: Digest | null; readonly kept: Digest }

/**
 * What makes the two registries agree. In ReadOnly mode the parent is right, whatever happened here. In ReadWrite mode what changed on
 * one side goes to the other, an edit beats a delete, and of two edits the parent's wins while the other is kept beside it. What was
 * made anew above is an edit, too, though of the same digest.
 * In ReadOnly mode what has no base was never agreed on with this parent, so that its absence above says nothing: it stays. That keeps
 * sites from being emptied.
 */
export function plan(state: ReferenceState, mode: Mode): SyncStep {
  const step = mode === 'ReadWrite' && (isChangedHere(state) || isPutBack(state)) ? settle(state) : follow(state)
  return isUpward(step) && isRefused(state) ? { kind: 'none' } : step
}

/** Steps that change the parent. */
export function isUpward({ kind }: SyncStep): boolean {
  return kind === 'copyUp' || kind === 'removeAbove'
}

/** Only the parent may have changed it. */
function follow({ base, local, parent, baseSince, parentSince }: ReferenceState): SyncStep {
  if (parent === null) {
    if (base === undefined) return { kind: 'none' }
    return local === null ? { kind: 'forget' } : { kind: 'remove' }
  }
  if (local !== parent) return { kind: 'copyDown', digest: parent }
  const isNoted = base === parent && (parentSince === undefined || parentSince === baseSince)
  return isNoted ? { kind: 'none' } : { kind: 'agree', digest: parent }
}

/** It was changed here, and maybe above too. */
function settle(state: ReferenceState): SyncStep {
  const { base, local, parent } = state
  if (local === null) {
    if (parent === null) return { kind: 'forget' }
    return parent === base && !isMadeAnew(state) ? { kind: 'removeAbove' } : { kind: 'copyDown', digest: parent }
  }
  if (local === parent) return { kind: 'agree', digest: local }
  if (parent === null || parent === base) return { kind: 'copyUp', digest: local }
  return { kind: 'conflict', digest: parent, kept: local }
}

/** It went above and came back as it was: somebody there wants it. */
function isMadeAnew({ baseSince, parentSince }: ReferenceState): boolean {
  return areTwoPushes(baseSince, parentSince)
}

/** Of the same digest, by what the parent said of its creation (`sinceAbove`). What is unknown tells nothing. */
export function areTwoPushes(one: string | undefined, other: string | undefined): boolean {
  return one !== undefined && other !== undefined && one !== other
}

function isChangedHere({ base, local }: ReferenceState): boolean {
  return local !== (base ?? null)
}

/** Who puts it here again while it is deleted above wants it: that is an edit, though it is here as it was. */
function isPutBack({ isTouched = false, parent }: ReferenceState): boolean {
  return isTouched && parent === null
}

function isRefused({ local, parent, refusal }: ReferenceState): boolean {
  return refusal !== undefined && refusal.local === local && refusal.parent === parent
}
