import type { Log } from '@connected-registry/edge-module/log.ts'
import type { Mode } from '../access/authorize.ts'
import type { ParentRegistry } from '../parent/parent-registry.ts'
import type { Registry } from '../registry/registry.ts'
import type { Bases } from './bases.ts'
import type { StatusBoard } from './status.ts'
import type { Transfers } from './transfers.ts'

/** What bringing one repository into agreement needs, the same for all of a round. */
export interface RepositoryContext {
  readonly registry: Registry
  readonly bases: Bases
  readonly transfers: Transfers
  readonly parent: ParentRegistry
  readonly mode: Mode
  readonly board: StatusBoard
  readonly log: Log
  readonly memory: RoundMemory
  /** Compare everything, whatever the parent says has changed; with the referrers of all that is held. */
  readonly complete: boolean
  readonly correlationId: string
  readonly now: () => Date
}

/** What one round tells the next, by repository. Not worth a record: after a restart everything is compared anyway. */
export interface RoundMemory {
  /** Lacked most of what was agreed on when last looked at. */
  readonly shrunk: Set<string>
  /** Referrers are missing that only a look at every manifest finds again. */
  readonly unsettled: Set<string>
  /** Where to begin, because the link broke there. Undefined: at the beginning. */
  startAt?: string | undefined
}

export function createRoundMemory(): RoundMemory {
  return { shrunk: new Set(), unsettled: new Set() }
}
