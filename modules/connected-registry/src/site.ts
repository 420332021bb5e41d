import { isDeepStrictEqual } from 'node:util'
import type { Log } from '@connected-registry/edge-module/log.ts'
import packageFile from '../package.json' with { type: 'json' }
import { type Access, createAccess } from './access/access.ts'
import { createClosedAccess } from './access/closed-access.ts'
import { loadDelegatedTokens } from './access/delegated-tokens.ts'
import type { Delegation } from './access/delegation.ts'
import type { Prover } from './access/proofs.ts'
import { loadSigningKeys } from './access/signing-keys.ts'
import { type BackgroundScrub, startBackgroundScrub } from './background-scrub.ts'
import { bandwidthAt } from './bandwidth-settings.ts'
import type { ChildReport } from './children/child-reports.ts'
import { type Children, createChildren } from './children/children.ts'
import { loadEpoch } from './children/epoch.ts'
import { createUnavailableChildren } from './children/unavailable.ts'
import { childrenInForce } from './children-in-force.ts'
import { logClientChanges } from './client-changes.ts'
import { delegateTo } from './delegated-access.ts'
import { loadFirstSync } from './first-sync.ts'
import { createGarbagePolicy } from './garbage-policy.ts'
import { createGarbageSchedule, type GarbageSchedule } from './garbage-schedule.ts'
import { addTraffic, keepTraffic, noTraffic } from './kept-traffic.ts'
import { startLogTrim } from './log-trim.ts'
import { createNotifications, type Notifications } from './notifications.ts'
import type { Traffic } from './parent/connections.ts'
import { createDispatcher, type DispatcherOptions } from './parent/dispatcher.ts'
import { createParentRegistry, type ParentRegistry } from './parent/parent-registry.ts'
import { createTokenProofs } from './parent/token-proofs.ts'
import type { KeptParentConfig } from './parent-config.ts'
import type { ParentConnection } from './protocol/connection-string.ts'
import { createRegistry } from './registry/create-registry.ts'
import type { Registry } from './registry/registry.ts'
import { createUnavailableRegistry } from './registry/unavailable.ts'
import type { Settings } from './settings.ts'
import { createMemoryRecordStore } from './storage/memory-records.ts'
import type { Store } from './store.ts'
import { createBases } from './sync/bases.ts'
import { createSyncEngine, type SyncEngine } from './sync/engine.ts'
import { createGatewayLink, type GatewayLink, type GatewayPauses } from './sync/gateway-link.ts'
import { createOutbound } from './sync/outbound.ts'
import { describe } from './sync/problems.ts'
import type { IterationSummary, StatusBoard } from './sync/status.ts'
import { openTransferJournal } from './sync/transfer-journal.ts'
import { dropOrphans, startUploadExpiry } from './upload-expiry.ts'

/** What stands on an open store. Without one it still knows its clients, and says of all content that it cannot serve it. */
export interface Site {
  readonly registry: Registry
  readonly access: Access
  /** Undefined: there is no store to keep proofs in. */
  readonly delegation?: Pick<Delegation, 'status'>
  /** The connected registries below this one. */
  readonly children: Children
  /** The parent may still name client tokens: it was never heard, and may be a connected registry. */
  isParentAwaited(): boolean
  /** The channel to a parent that is a connected registry. */
  readonly gateway?: Pick<GatewayLink, 'details' | 'isFollowing' | 'changed'>
  /** Undefined: there is no change log. */
  readonly notifications?: Notifications
  /** Both undefined: there is no store to sync into, and to clean. */
  readonly engine?: SyncEngine
  readonly garbage?: GarbageSchedule
  readonly scrubbing?: Pick<BackgroundScrub, 'status'>
  /** Takes the settings into force. */
  apply(settings: Settings): void
  /** PEM texts to trust towards the parent, beside the system's; `apply` must follow. */
  trust(certificateAuthorities: readonly string[]): void
  traffic(): Traffic
  /** Leaves the parent alone from now on: transfers stop at the byte they have come to, and go on from there after a restart. */
  pause(): Promise<void>
  stop(): Promise<void>
}

export interface SiteOptions {
  readonly settings: () => Settings
  readonly board: StatusBoard
  readonly log: Log
  /** Told after each iteration that may have changed what is here. */
  readonly onIteration?: () => void
  /** Told when a client token was proved by the parent, taken back, or cannot be proved. */
  readonly onDelegation?: () => void
  /** Told when a registry below this one was heard again, or said something new. */
  readonly onChildren?: () => void
  /** What the parent configured this registry with. */
  readonly parentConfig: Pick<KeptParentConfig, 'of' | 'take'>
  /** What this registry tells its parent of itself. */
  readonly childReport: () => ChildReport
  /** Told when what is wrong between the parent's gateway and this registry changed. */
  readonly onGateway?: () => void
  /** Told when there is something else to say of what edgeHub is told. */
  readonly onNotifications?: () => void
  readonly gatewayPauses?: Partial<GatewayPauses>
  /** How patient it is with its parent. */
  readonly dispatcher?: Omit<DispatcherOptions, 'log' | 'certificateAuthorities' | 'bandwidth'>
}

export async function createSite(store: Store, options: SiteOptions): Promise<Site> {
  const { settings, board, log, onIteration, onDelegation, onChildren, onGateway, dispatcher } = options
  const { blobs, records, instanceId } = store
  const bases = createBases(records)
  const registry = await createRegistry({ blobs, records, policy: () => policy(), admit: store.disk.admit })
  const outbound = createOutbound({ registry, records })
  const policy = createGarbagePolicy({ settings, bases, outbound, board, epoch: () => parents.current()?.epoch })
  const journal = await openTransferJournal({ blobs, records })
  await dropOrphans(registry.uploads, log, journal.holds)
  const signingKeys = await loadSigningKeys(records, {
    onFailure: (error) => log.warn({ reason: describe(error) }, 'signing key not rotated')
  })
  const parents = createParents(log, { ...dispatcher, bandwidth: () => bandwidthAt(settings().bandwidth, new Date()) })
  const traffic = await keepTraffic(records, parents.traffic, log)
  const proofs = await loadDelegatedTokens(records)
  const delegation = delegateTo({ settings, prover: parents.prover, proofs, registry, log, onChange: onDelegation })
  const access = createAccess({
    tokens: () => childrenInForce(settings()).tokens,
    delegation,
    signingKeys,
    instanceId,
    log
  })
  const engine = createSyncEngine({
    registry,
    blobs,
    records,
    bases,
    outbound,
    journal,
    board,
    log,
    onIteration: changed,
    onEnded: ended,
    prepare: (signal) => gateway.refresh(signal),
    confirm: (signal) => gateway.confirm(signal),
    isFed: () => gateway.isFollowing()
  })
  const garbage = createGarbageSchedule({ garbage: registry.garbage, log, onChange: onIteration })
  const expiry = startUploadExpiry(registry.uploads, log, { isKept: journal.holds })
  await expiry.look()
  const logTrim = startLogTrim({ changes: registry.changes, outbound, log })
  const stopLogging = logClientChanges(registry.changes, log)
  const notifications = createNotifications({
    records,
    changes: registry.changes,
    storeId: instanceId,
    name: () => settings().connection?.registryName,
    log,
    onChange: options.onNotifications
  })
  const scrubbing = startBackgroundScrub({ store, log, onDamage: () => onIteration?.() })
  const firstSync = await loadFirstSync(records)
  const children = createChildren({
    records,
    changes: registry.changes,
    epoch: await loadEpoch(records, instanceId),
    current: () => childrenInForce(settings()).children,
    // Without a parent there is nothing that could still come.
    isSynced: () => settings().connection === undefined || firstSync.isComplete(settings().connection),
    mode: () => settings().mode,
    ancestors: () => gateway.ancestors(),
    onChange: onChildren
  })
  const gateway = createGatewayLink({
    instance: { instanceId, version: packageFile.version },
    records,
    changes: registry.changes,
    outbound,
    board,
    engine: () => engine,
    log,
    kept: ({ host, registryName }) => options.parentConfig.of({ loginServer: host, registryName }),
    onConfig: ({ host, registryName }, config) =>
      options.parentConfig.take({ loginServer: host, registryName }, config),
    report: options.childReport,
    onChange: () => onGateway?.(),
    pauses: options.gatewayPauses
  })

  function changed(): void {
    void delegation.recheck()
    onIteration?.()
  }

  function ended({ result }: IterationSummary): void {
    // A parent that was away answers again: what was used meanwhile waits for its word.
    if (result === 'Succeeded') void delegation.recheck()
    const { connection } = settings()
    const above = parents.current()?.gateway.standing
    // What the parent has not got yet is missing here as well.
    if (connection && result === 'Succeeded' && above?.isSynced !== false) {
      firstSync.completed(connection).catch((error: unknown) => log.warn({ reason: describe(error) }, 'not noted'))
    }
  }

  async function pause(): Promise<void> {
    await Promise.all([gateway.stop(), engine.stop()])
  }

  return {
    registry,
    access,
    delegation,
    children,
    gateway,
    notifications,
    // A first sync that is complete without a config was with a plain parent, unless the file that keeps the config is lost.
    isParentAwaited: () =>
      gateway.isAwaited() && (store.stateProblem !== undefined || !firstSync.isComplete(settings().connection)),
    engine,
    garbage,
    scrubbing,
    apply: ({ connection, repositories, schedule, mode, storageQuotaBytes, garbageCollection }) => {
      garbage.apply(garbageCollection)
      store.disk.setQuota(storageQuotaBytes)
      children.changed()
      const parent = parents.of(connection)
      engine.apply({ parent, patterns: repositories, schedule, mode })
      gateway.apply({ parent, schedule, mode, isUnconfigured: repositories.length === 0 })
    },
    trust: parents.trust,
    traffic: traffic.total,
    pause,
    async stop() {
      children.close()
      await pause()
      stopLogging()
      await notifications.stop()
      expiry.stop()
      await logTrim.stop()
      await scrubbing.stop()
      await garbage.stop()
      await delegation.stop()
      await parents.close()
      await traffic.stop()
      await store.close()
    }
  }
}

/** Knows its clients, and tells them that it cannot serve: never that content is not there. */
export async function createClosedSite({
  settings,
  log
}: Pick<SiteOptions, 'settings' | 'board' | 'log'>): Promise<Site> {
  const signingKeys = await loadSigningKeys(createMemoryRecordStore())
  const tokens = () => childrenInForce(settings()).tokens
  return {
    registry: createUnavailableRegistry(),
    access: createClosedAccess(createAccess({ tokens, signingKeys, instanceId: 'closed', log })),
    children: createUnavailableChildren(),
    isParentAwaited: () => false,
    apply: () => {},
    trust: () => {},
    traffic: () => noTraffic,
    pause: async () => {},
    stop: async () => {}
  }
}

/** One parent at a time, made anew only when the connection changed: its tokens and its breaker are worth keeping. */
function createParents(log: Log, options: DispatcherOptions) {
  let earlier = noTraffic
  let trusted: readonly string[] = []
  let dispatcher = createDispatcher({ ...options, log })
  let made:
    | { readonly connection: ParentConnection; readonly parent: ParentRegistry; readonly prover: Prover }
    | undefined
  return {
    /** Of the parent that was last asked for. */
    prover: () => made?.prover,
    current: () => made?.parent,
    of(connection: ParentConnection | undefined): ParentRegistry | undefined {
      if (!connection) made = undefined
      else if (!made || !isDeepStrictEqual(made.connection, connection)) {
        const prover = { ...createTokenProofs({ connection, dispatcher }), parent: connection.loginServer }
        made = { connection, parent: createParentRegistry({ connection, dispatcher, log }), prover }
      }
      return made?.parent
    },
    trust(certificateAuthorities: readonly string[]) {
      if (isDeepStrictEqual(certificateAuthorities, trusted)) return
      trusted = certificateAuthorities
      const former = dispatcher
      earlier = addTraffic(earlier, former.traffic())
      dispatcher = createDispatcher({ ...options, log, certificateAuthorities })
      made = undefined
      former.close().catch((error: unknown) => log.warn({ reason: describe(error) }, 'connections not closed'))
    },
    traffic: () => addTraffic(earlier, dispatcher.traffic()),
    close: () => dispatcher.close()
  }
}
