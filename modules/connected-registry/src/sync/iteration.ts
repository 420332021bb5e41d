import type { RepositoryPattern } from '../protocol/repository-pattern.ts'
import type { Registry } from '../registry/registry.ts'
import type { RepositoryContext } from './repository-context.ts'
import { syncRepository } from './repository-sync.ts'
import { isInScope, resolveScope } from './scope.ts'
import type { IterationOutcome, NewDetail } from './status.ts'

/**
 * One round: every repository in scope is looked at, planned and brought into agreement. Ends early where the link is down;
 * throws aborts, and link failures before the first repository.
 */
export async function runIteration(context: RepositoryContext, signal: AbortSignal): Promise<IterationOutcome> {
  const { correlationId, memory, parent, patterns, registry } = context
  const known = await localRepositories(registry)
  const scope = await resolveScope(parent, patterns, known, signal)
  const details: NewDetail[] = [...scope.details]
  let { reached } = scope
  const repositories = startingAt(scope.repositories, memory.startAt)
  memory.startAt = undefined
  parent.announce(repositories)
  for (const [index, repository] of repositories.entries()) {
    const outcome = await syncRepository(context, repository, signal)
    details.push(...outcome.details)
    if (outcome.isLinkDown) {
      // Whoever wore the link out must not keep the others from their turn, round after round.
      memory.startAt = repositories[index === 0 ? 1 : index]
      return { correlationId, reached: false, details }
    }
    reached ||= outcome.reached
  }
  return { correlationId, reached, details }
}

function startingAt(repositories: readonly string[], first: string | undefined): readonly string[] {
  const index = first === undefined ? 0 : Math.max(0, repositories.indexOf(first))
  return [...repositories.slice(index), ...repositories.slice(0, index)]
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
    // In this order: what is left of the removal after a crash is found again, bases without a repository are not.
    await bases.drop(repository)
    await registry.repositories.remove(repository, 'parent')
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
