import type { RepositoryPattern } from '../protocol/repository-pattern.ts'
import type { Registry } from '../registry/registry.ts'
import { type RepositoryContext, syncRepository } from './repository-sync.ts'
import { isInScope, resolveScope } from './scope.ts'
import type { IterationOutcome, NewDetail, RepositoryStatus } from './status.ts'

export interface IterationContext extends RepositoryContext {
  readonly patterns: readonly RepositoryPattern[]
}

/** One round: every repository in scope is looked at, planned and brought into agreement. Throws link failures and aborts. */
export async function runIteration(context: IterationContext, signal: AbortSignal): Promise<IterationOutcome> {
  const known = await localRepositories(context.registry)
  const scope = await resolveScope(context.parent, context.patterns, known, signal)
  const details: NewDetail[] = [...scope.details]
  const repositories: RepositoryStatus[] = []
  let removed = 0
  let reached = scope.repositories.length === 0
  for (const repository of scope.repositories) {
    const outcome = await syncRepository(context, repository, signal)
    details.push(...outcome.details)
    repositories.push(outcome.status)
    removed += outcome.removed
    reached ||= outcome.reached
  }
  return { correlationId: context.correlationId, reached, removed, details, repositories }
}

/**
 * Removes what left the scope. It needs no parent: the operator said so. Nothing is removed where no repository is named
 * at all, for that is more likely a mistake than a wish.
 */
export async function leaveScope(
  { registry, bases }: Pick<RepositoryContext, 'registry' | 'bases'>,
  patterns: readonly RepositoryPattern[],
  onLeft: (repository: string) => void
): Promise<void> {
  if (patterns.length === 0) return
  for (const repository of await localRepositories(registry)) {
    if (isInScope(patterns, repository)) continue
    await registry.repositories.remove(repository, 'parent')
    await bases.drop(repository)
    onLeft(repository)
  }
}

const pageSize = 1000

async function localRepositories(registry: Registry): Promise<readonly string[]> {
  const names: string[] = []
  for (;;) {
    const page = await registry.repositories.list({ after: names.at(-1), limit: pageSize })
    names.push(...page)
    if (page.length < pageSize) return names
  }
}
