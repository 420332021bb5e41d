import type { RepositoryContext } from './repository-context.ts'

/**
 * A parent that is a gateway shows what is gone only while it is still the store that was looked at, and once it has itself all that
 * is above it: one that was rebuilt empty, however short ago, empties nobody.
 */
export async function showsAbsence(
  { parent: { gateway }, log }: Pick<RepositoryContext, 'parent' | 'log'>,
  repository: string,
  epoch: string,
  signal: AbortSignal
): Promise<boolean> {
  if (!gateway.standing) return true
  const kind = await gateway.probe(signal)
  const { standing } = gateway
  const isShown = kind === 'gateway' && standing?.epoch === epoch && standing.isSynced
  if (!isShown) log.info({ repository }, 'nothing removed: the parent is not whole yet')
  return isShown
}
