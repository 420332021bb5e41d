import type { ParentRegistry } from '../parent/parent-registry.ts'
import {
  formatRepositoryPattern,
  isPattern,
  matchesPattern,
  type RepositoryPattern
} from '../protocol/repository-pattern.ts'
import { codeOf, describe, isContact, isLinkFailure } from './problems.ts'
import type { NewDetail } from './status.ts'

/** The repositories to look at, and what stood in the way of knowing them all. */
export interface Scope {
  readonly repositories: readonly string[]
  readonly details: readonly NewDetail[]
  /** The parent answered on the way here, whatever it said. */
  readonly reached: boolean
}

/**
 * Names are taken as they are. `prefix/*` needs the parent's catalog, which ACR refuses to tokens that are scoped to
 * repositories: then the names go on, with what an earlier round found below the pattern.
 */
export async function resolveScope(
  parent: ParentRegistry,
  patterns: readonly RepositoryPattern[],
  known: readonly string[],
  signal: AbortSignal
): Promise<Scope> {
  const names = patterns.flatMap((pattern) => (pattern.kind === 'one' ? [pattern.repository] : []))
  const wildcards = patterns.filter(isPattern)
  if (wildcards.length === 0) return { repositories: distinct(names), details: [], reached: false }
  try {
    const found: string[] = []
    for await (const repository of parent.catalog(signal)) if (isInScope(wildcards, repository)) found.push(repository)
    return { repositories: distinct([...names, ...found]), details: [], reached: true }
  } catch (error) {
    if (isLinkFailure(error) || signal.aborted) throw error
    const earlier = known.filter((name) => isInScope(wildcards, name))
    const repositories = distinct([...names, ...earlier])
    return { repositories, details: [scopeUnknown(wildcards, error)], reached: isContact(error) }
  }
}

export function isInScope(patterns: readonly RepositoryPattern[], repository: string): boolean {
  return patterns.some((pattern) => matchesPattern(pattern, repository))
}

function scopeUnknown(wildcards: readonly RepositoryPattern[], error: unknown): NewDetail {
  const names = wildcards.map(formatRepositoryPattern).join(', ')
  const description = `the parent's catalog cannot be read, so ${names} is not known (${codeOf(error)}: ${describe(error)})`
  return { type: 'Scope', code: 'SCOPE_UNKNOWN', description }
}

function distinct(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort()
}
