import type { Digest } from '../protocol/digest.ts'

/** Where one reference (a tag or a digest) stands: on both sides now, and when both last agreed. Null: not there. */
export interface ReferenceState {
  readonly reference: string
  /** Undefined: the two sides never agreed on it, or it was another parent they agreed with. */
  readonly base: Digest | undefined
  readonly local: Digest | null
  readonly parent: Digest | null
}

export type SyncStep =
  | { readonly kind: 'none' }
  /** Only the base is written: both sides hold this already. */
  | { readonly kind: 'agree'; readonly digest: Digest }
  | { readonly kind: 'copyDown'; readonly digest: Digest }
  | { readonly kind: 'remove' }
  /** Neither side holds it any more. */
  | { readonly kind: 'forget' }

/**
 * What makes the local registry agree with its parent in ReadOnly mode: the parent is right, whatever happened here.
 * One exception keeps sites from being emptied: what has no base was never agreed on with this parent, so its absence
 * above says nothing, and it stays.
 */
export function plan({ base, local, parent }: ReferenceState): SyncStep {
  if (parent === null) {
    if (base === undefined) return { kind: 'none' }
    return local === null ? { kind: 'forget' } : { kind: 'remove' }
  }
  if (local !== parent) return { kind: 'copyDown', digest: parent }
  return base === parent ? { kind: 'none' } : { kind: 'agree', digest: parent }
}
