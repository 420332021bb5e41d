import type { Mode } from '../access/authorize.ts'
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
 * What makes the local registry agree with its parent. In ReadOnly mode the parent is right, whatever happened here. In ReadWrite
 * mode what a client changed here is left alone, and nobody has told the parent yet; a reference that a client took away comes back
 * only when the parent changes it, for an edit beats a delete.
 * What has no base was never agreed on with this parent, so that its absence above says nothing: it stays. That keeps sites from
 * being emptied.
 */
export function plan(state: ReferenceState, mode: Mode): SyncStep {
  const { base, local, parent } = state
  if (mode === 'ReadWrite' && isClients(state)) return { kind: 'none' }
  if (parent === null) {
    if (base === undefined) return { kind: 'none' }
    return local === null ? { kind: 'forget' } : { kind: 'remove' }
  }
  if (local !== parent) return { kind: 'copyDown', digest: parent }
  return base === parent ? { kind: 'none' } : { kind: 'agree', digest: parent }
}

/** Changed here, and not to what the parent holds. */
function isClients({ base, local, parent }: ReferenceState): boolean {
  if (local === parent) return false
  return local === null ? base !== undefined && base === parent : local !== base
}
