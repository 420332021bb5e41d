import type { RepositoryContext } from './repository-context.ts'

/**
 * A parent that is a gateway shows what is gone only while it is still the store that was looked at, and once it has itself all that
 * is above it: one that was rebuilt empty or put back to an older state, however short ago, empties nobody.
 */
export async function showsAbsence(
  { parent: { gateway }, confirm, log }: Pick<RepositoryContext, 'parent' | 'confirm' | 'log'>,
  repository: string,
  epoch: string,
  signal: AbortSignal
): Promise<boolean> {
  if (!gateway.standing) return true
  await confirm(signal)
  const kind = await gateway.probe(signal)
  const { standing } = gateway
  const isShown = kind === 'gateway' && standing?.epoch === epoch && standing.isSynced
  if (!isShown) log.info({ repository }, 'nothing removed: the parent is not whole yet')
  return isShown
}
