import { isDeepStrictEqual } from 'node:util'
import type { Mode } from '../access/authorize.ts'
import type { ParentRegistry } from '../parent/parent-registry.ts'
import type { Schedule } from './schedule.ts'
import type { ScopeEntry } from './scope-rules.ts'

/** What the settings ask of sync. A new parent object stands for a new connection. */
export interface SyncWish {
  readonly parent: ParentRegistry | undefined
  readonly patterns: readonly ScopeEntry[]
  readonly schedule: Schedule
  readonly mode: Mode
}

export function isSameWish(one: SyncWish, other: SyncWish): boolean {
  const { parent, ...rest } = one
  const { parent: otherParent, ...otherRest } = other
  return parent === otherParent && isDeepStrictEqual(rest, otherRest)
}
