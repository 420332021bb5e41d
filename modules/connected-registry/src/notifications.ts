import type { BackoffRange } from '@connected-registry/edge-module/backoff.ts'
import { load } from '@connected-registry/edge-module/loading.ts'
import type { Log } from '@connected-registry/edge-module/log.ts'
import type { ModuleClient } from '@connected-registry/edge-module/module-client.ts'
import type { NotificationReader } from './notification-reader.ts'
import type { NotificationPattern } from './protocol/notification-pattern.ts'
import type { Changes } from './registry/registry.ts'
import { keys } from './storage/layout.ts'
import type { RecordStore } from './storage/record-store.ts'
import { describe } from './sync/problems.ts'
import type { NewDetail } from './sync/status.ts'

export type SendOutput = ModuleClient['send']

export interface Wanted {
  readonly patterns: readonly NotificationPattern[]
  /** They count for what comes after this change. */
  readonly after: number
}

export interface NotificationStatus {
  /** Changes that were not looked at yet. */
  readonly unread: number
  /** When the change came that was sent last. */
  readonly lastSent: string | undefined
}

/** What edgeHub is told of changes here: messages to the output `notifications`. Without patterns there is no reader at all. */
export interface Notifications {
  apply(patterns: readonly NotificationPattern[]): void
  /** Undefined: edgeHub is away. */
  connected(send: SendOutput | undefined): void
  /** Undefined: nothing is to be told. */
  status(): NotificationStatus | undefined
  details(): readonly NewDetail[]
  /** Resolves when the store is left alone. */
  stop(): Promise<void>
}

export interface NotificationOptions {
  readonly records: RecordStore
  readonly changes: Pick<Changes, 'head' | 'read' | 'since' | 'onChange'>
  readonly storeId: string
  /** Of this connected registry, as of now; undefined: it has none. */
  readonly name: () => string | undefined
  readonly log: Log
  /** Told when there is something else to say of it. */
  readonly onChange?: (() => void) | undefined
  readonly retry?: BackoffRange
  readonly now?: () => Date
}

export function createNotifications(options: NotificationOptions): Notifications {
  const { records, changes, log } = options
  let wanted: Wanted | undefined
  let send: SendOutput | undefined
  let reader: NotificationReader | undefined
  let opening: Promise<void> = Promise.resolve()
  let isStopped = false

  async function open(): Promise<void> {
    if (reader || isStopped || !wanted) return
    // Who was told something before must forget how far.
    if (wanted.patterns.length === 0 && (await records.get(keys.notifications)) === undefined) return
    const { createNotificationReader } = await load(() => import('./notification-reader.ts'))
    reader = createNotificationReader(options)
    reader.connected(send)
    reader.apply(wanted)
  }

  function isOff(): boolean {
    return wanted?.patterns.length === 0
  }

  return {
    apply(patterns) {
      if (patterns.length === 0 && isOff()) return
      wanted = { patterns, after: changes.head() }
      if (reader) reader.apply(wanted)
      else
        opening = opening
          .then(open)
          .catch((error: unknown) => log.error({ reason: describe(error) }, 'notifications not begun'))
    },
    connected(next) {
      send = next
      reader?.connected(next)
    },
    status: () => reader?.status(),
    details: () => reader?.details() ?? [],
    async stop() {
      isStopped = true
      await opening
      await reader?.stop()
    }
  }
}
