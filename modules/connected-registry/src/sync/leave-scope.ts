import type { Log } from '@connected-registry/edge-module/log.ts'
import { ConflictError } from '../storage/record-store.ts'
import type { Base } from './bases.ts'
import { repositoriesHere } from './local-catalog.ts'
import type { RepositoryContext } from './repository-context.ts'
import { isInScope } from './scope.ts'
import type { ScopeEntry } from './scope-rules.ts'
import { localPlace } from './steps.ts'

export interface Leaving extends Pick<RepositoryContext, 'registry' | 'bases' | 'outbound'> {
  readonly log: Log
  /** Whether the scope is still this one: of what leaves another may want some. */
  readonly isInForce: () => boolean
}

/**
 * Removes what left the scope, except where clients have put what the parent has not got. It needs no parent: the operator said so.
 * Nothing is removed where no repository is named at all, for that is more likely a mistake than a wish.
 */
export async function leaveScope(leaving: Leaving, patterns: readonly ScopeEntry[]): Promise<void> {
  if (patterns.length === 0) return
  for await (const repository of repositoriesHere(leaving.registry)) {
    if (!leaving.isInForce()) return
    if (isInScope(patterns, repository)) continue
    if (await leave(leaving, repository)) leaving.log.info({ repository }, 'repository left the scope and was removed')
    else leaving.log.warn({ repository }, 'repository left the scope and stays: the parent has not got all of it')
  }
}

async function leave(leaving: Leaving, repository: string): Promise<boolean> {
  const { registry, bases, outbound } = leaving
  const hasUnsent = async () => {
    await outbound.readAhead()
    return (await outbound.of(repository)).size > 0
  }
  if (await hasUnsent()) return false
  const agreed = await bases.readAny(repository)
  // In this order: what is left of the removal after a crash is found again, bases without a repository are not.
  await bases.drop(repository)
  // Whoever writes to it until it is marked is seen then, and whoever does later stops the removal.
  const options = { unless: hasUnsent }
  const hasLeft = await registry.repositories.remove(repository, 'parent', options).catch(unlessWritten)
  if (!hasLeft) await keepAgreed(leaving, repository, agreed)
  return hasLeft
}

/** Without it nothing that stays would follow the parent any more (ReadWrite mode); with it what has gone would not come again. */
async function keepAgreed(
  { registry, bases, outbound }: Leaving,
  repository: string,
  agreed: ReadonlyMap<string, Base>
): Promise<void> {
  const unsent = await outbound.of(repository)
  for (const [reference, base] of agreed) {
    const isHere = (await localPlace(registry, repository, reference)) === base.digest
    if (isHere || unsent.has(reference)) await bases.commit(bases.agreed(repository, reference, base))
  }
}

function unlessWritten(error: unknown): false {
  if (error instanceof ConflictError) return false
  throw error
}
