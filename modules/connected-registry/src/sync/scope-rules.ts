import type { Platform } from '../protocol/descriptor.ts'
import { matchesPattern, type RepositoryPattern } from '../protocol/repository-pattern.ts'

/** Which tags of a repository are wanted: all that is given must be true of a tag. Plain data; `tag-rules.ts` reads it. */
export interface TagRules {
  /** One of these must match; `*` and `?`. */
  readonly globs?: readonly string[]
  /** A linear pattern that must match the whole tag. */
  readonly regex?: string
  /** A range of versions; a tag that is no version is not in it. */
  readonly semver?: string
  /** Of those that are left, so many of the newest: by version where `semver` is given, else by time. */
  readonly newest?: number
}

export interface ScopeRules {
  readonly tags?: TagRules
  /** Manifests of an index for other platforms are left out. */
  readonly platforms?: readonly Platform[]
}

/** A choice of repositories, and what is wanted of them; without rules, everything. */
export type ScopeEntry = RepositoryPattern & { readonly rules?: ScopeRules }

/** The rules of the entry that says most about the repository: its name, else the longest prefix. Undefined: everything is wanted. */
export function rulesFor(entries: readonly ScopeEntry[], repository: string): ScopeRules | undefined {
  const matching = entries.filter((entry) => matchesPattern(entry, repository))
  const [closest] = matching.toSorted((one, other) => specificity(other) - specificity(one))
  return closest?.rules
}

function specificity(pattern: RepositoryPattern): number {
  if (pattern.kind === 'all') return 0
  return pattern.kind === 'below' ? pattern.prefix.length : Number.POSITIVE_INFINITY
}
