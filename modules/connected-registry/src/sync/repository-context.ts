import type { Log } from '@connected-registry/edge-module/log.ts'
import type { Mode } from '../access/authorize.ts'
import type { ParentRegistry } from '../parent/parent-registry.ts'
import type { Registry } from '../registry/registry.ts'
import type { RecordStore } from '../storage/record-store.ts'
import type { Bases } from './bases.ts'
import type { MetadataListing } from './look.ts'
import { createManifestMemory, type ManifestMemory } from './manifest-memory.ts'
import type { Outbound } from './outbound.ts'
import { createPlaces, type Places } from './places.ts'
import type { ScopeEntry } from './scope-rules.ts'
import type { StatusBoard } from './status.ts'
import type { Transfers } from './transfers.ts'

/** What bringing one repository into agreement needs, the same for all of a round. */
export interface RepositoryContext {
  readonly registry: Registry
  readonly records: RecordStore
  readonly bases: Bases
  readonly outbound: Outbound
  readonly transfers: Transfers
  readonly parent: ParentRegistry
  readonly mode: Mode
  /** The scope, with the rules of its repositories. */
  readonly patterns: readonly ScopeEntry[]
  readonly board: StatusBoard
  readonly log: Log
  readonly memory: RoundMemory
  readonly places: SyncPlaces
  /** Asks a gateway above whether it is still the store that our cursor is of; its `standing` tells. */
  readonly confirm: (signal: AbortSignal) => Promise<void>
  /** Compare everything, whatever the parent says has changed; with the referrers of all that is held. */
  readonly complete: boolean
  /** Look again at what is here, and for referrers where the parent lists tags only; due every so many rounds. */
  readonly thorough: boolean
  readonly correlationId: string
  readonly now: () => Date
}

/** How much travels at once over all repositories. */
export interface SyncPlaces {
  readonly references: Places
  /** Manifests beside the one that every reference brings at a time. */
  readonly manifests: Places
  readonly memory: ManifestMemory
}

export function createSyncPlaces(): SyncPlaces {
  return { references: createPlaces(24), manifests: createPlaces(8), memory: createManifestMemory() }
}

/** What one round tells the next, by repository. Not worth a record: after a restart everything is compared anyway. */
export interface RoundMemory {
  /** Lacked most of what was agreed on when last looked at. */
  readonly shrunk: Set<string>
  /** How many references of a repository wait to be removed, because the parent is not whole yet. */
  readonly held: Map<string, number>
  /** Referrers are missing that only a look at every manifest finds again. */
  readonly unsettled: Set<string>
  /** Not brought to the end of a round that compared it whole: it is compared again, whatever the parent says has changed. */
  readonly unfinished: Set<string>
  readonly views: RememberedViews
  /** Where to begin, because the link broke there. Undefined: at the beginning. */
  startAt?: string | undefined
}

export function createRoundMemory(): RoundMemory {
  return {
    shrunk: new Set(),
    held: new Map(),
    unsettled: new Set(),
    unfinished: new Set(),
    views: createRememberedViews()
  }
}

/** What the parent showed of each repository when that last agreed with it; as far as memory for it goes. */
export interface RememberedViews {
  get(repository: string): MetadataListing | undefined
  /** Undefined: what was remembered is no longer so. */
  set(repository: string, listing: MetadataListing | undefined): void
}

/** References over all repositories, at about 300 bytes each. */
const referenceLimit = 50_000

function createRememberedViews(): RememberedViews {
  const views = new Map<string, MetadataListing>()
  let references = 0
  return {
    get: (repository) => views.get(repository),
    set(repository, listing) {
      const former = views.get(repository)
      if (former) references -= sizeOf(former)
      views.delete(repository)
      // The others stay: whoever makes room for the one that comes next forgets each before its turn comes again.
      if (!listing || references + sizeOf(listing) > referenceLimit) return
      views.set(repository, listing)
      references += sizeOf(listing)
    }
  }
}

function sizeOf({ tags, digests }: MetadataListing): number {
  return tags.size + digests.size
}
