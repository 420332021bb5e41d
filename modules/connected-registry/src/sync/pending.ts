import type { RepositoryContext } from './repository-context.ts'
import { isInScope } from './scope.ts'

/** Counts what is to go up and has not been refused: manifests and the bytes they need at most, and all references. */
export async function tellPending({
  outbound,
  patterns,
  board
}: Pick<RepositoryContext, 'outbound' | 'patterns' | 'board'>): Promise<void> {
  let [artifacts, bytes, references] = [0, 0, 0]
  for await (const [repository, , record] of outbound.all()) {
    if (record.refusal || !isInScope(patterns, repository)) continue
    references++
    if (record.bytes === undefined) continue
    artifacts++
    bytes += record.bytes
  }
  board.pendingUp({ artifacts, bytes, references })
}
