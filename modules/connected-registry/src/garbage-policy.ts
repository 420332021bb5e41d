import { untaggedAfter } from './garbage-settings.ts'
import type { GarbagePolicy } from './registry/garbage.ts'
import type { Settings } from './settings.ts'
import type { Bases } from './sync/bases.ts'
import type { Outbound } from './sync/outbound.ts'
import { isInScope } from './sync/scope.ts'
import type { StatusBoard } from './sync/status.ts'

export interface GarbagePolicyDeps {
  readonly settings: () => Settings
  readonly bases: Pick<Bases, 'holds'>
  readonly outbound: Pick<Outbound, 'catchUp' | 'get'>
  readonly board: Pick<StatusBoard, 'repository'>
  /** Of the parent in force. Undefined: there is none. */
  readonly epoch: () => string | undefined
}

/**
 * What sync knows that the registry does not. A digest that the parent lists is a reference of its own: without it here it would
 * only be copied again. And what arrived since a repository last agreed whole may be part of a copy that is not complete: over a
 * slow link an image takes many windows, and must not lose in one what it got in another. Nor does anything go that clients pushed and
 * the parent has not got.
 */
export function createGarbagePolicy({
  settings,
  bases,
  outbound,
  board,
  epoch
}: GarbagePolicyDeps): () => GarbagePolicy {
  async function isWanted(repository: string, digest: string, since: string): Promise<boolean> {
    const current = epoch()
    await outbound.catchUp()
    if (await outbound.get(repository, digest)) return true
    if (current === undefined) return false
    if (await bases.holds(repository, digest, current)) return true
    if (!isInScope(settings().repositories, repository)) return false
    const { lastSync } = board.repository(repository)
    return lastSync === undefined || lastSync <= since
  }

  return () => {
    const { mode, garbageCollection } = settings()
    return { graceMs: garbageCollection.graceMs, untaggedAfterMs: untaggedAfter(mode, garbageCollection), isWanted }
  }
}
