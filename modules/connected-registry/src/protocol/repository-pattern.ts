import { isRepositoryName } from './reference.ts'

/** A choice of repositories, as ACR writes it: one name, `prefix/*` for all below a prefix, `*` for all. */
export type RepositoryPattern =
  | { readonly kind: 'all' }
  /** `prefix` ends with its slash. */
  | { readonly kind: 'below'; readonly prefix: string }
  | { readonly kind: 'one'; readonly repository: string }

/** Undefined: neither a name nor such a pattern. A `*` must be the whole last segment: not part of one (`a/b*`), not inside. */
export function parseRepositoryPattern(text: string): RepositoryPattern | undefined {
  if (text === '*') return { kind: 'all' }
  if (!text.endsWith('/*')) return isRepositoryName(text) ? { kind: 'one', repository: text } : undefined
  return isRepositoryName(text.slice(0, -2)) ? { kind: 'below', prefix: text.slice(0, -1) } : undefined
}

export function formatRepositoryPattern(pattern: RepositoryPattern): string {
  if (pattern.kind === 'all') return '*'
  return pattern.kind === 'below' ? `${pattern.prefix}*` : pattern.repository
}

/** A prefix itself is not below it: `a/*` chooses `a/b` and `a/b/c`, not `a`. */
export function matchesPattern(pattern: RepositoryPattern, repository: string): boolean {
  if (pattern.kind === 'all') return true
  return pattern.kind === 'below' ? repository.startsWith(pattern.prefix) : repository === pattern.repository
}

/** True where a catalog is needed to know which repositories are meant. */
export function isPattern(pattern: RepositoryPattern): boolean {
  return pattern.kind !== 'one'
}

/** True: whatever `inner` chooses, `outer` chooses too. */
export function contains(outer: RepositoryPattern, inner: RepositoryPattern): boolean {
  if (outer.kind === 'all') return true
  if (inner.kind === 'all') return false
  return matchesPattern(outer, inner.kind === 'one' ? inner.repository : `${inner.prefix}x`)
}

/** What both choose; undefined: nothing. */
export function intersection(one: RepositoryPattern, other: RepositoryPattern): RepositoryPattern | undefined {
  if (contains(one, other)) return other
  return contains(other, one) ? one : undefined
}
