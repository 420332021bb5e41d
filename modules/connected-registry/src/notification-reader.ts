import { setImmediate as turn } from 'node:timers/promises'
import { backoffMs } from '@connected-registry/edge-module/backoff.ts'
import { eventsOf, wholePushes } from './notification-events.ts'
import { type Era, type Position, patternsIn, readPosition, recordOf, withEra } from './notification-position.ts'
import type { NotificationOptions, NotificationStatus, SendOutput, Wanted } from './notifications.ts'
import { keys } from './storage/layout.ts'
import { describe } from './sync/problems.ts'
import type { NewDetail } from './sync/status.ts'

/** One reader of the change log: what it tells edgeHub, in order and at least once, is noted after edgeHub has taken it. */
export interface NotificationReader {
  apply(wanted: Wanted): void
  /** Undefined: edgeHub is away; the log keeps what there is to tell. */
  connected(send: SendOutput | undefined): void
  status(): NotificationStatus | undefined
  details(): readonly NewDetail[]
  stop(): Promise<void>
}

const output = 'notifications'
const pageSize = 100
const dayMs = 24 * 3_600_000
const defaultRetry = { minimumMs: 1_000, maximumMs: 300_000 }

export function createNotificationReader(options: NotificationOptions): NotificationReader {
  const { records, changes, storeId, name, log, onChange, now = () => new Date(), retry = defaultRetry } = options
  const stopping = new AbortController()
  let wanted: Wanted | undefined
  let send: SendOutput | undefined
  /** Undefined: nothing is to be told. */
  let position: Position | undefined
  let isWritten = true
  /** That there is something else to say than was said last. */
  let isNews = false
  let lastSent: string | undefined
  let isDue = false
  let running: Promise<void> | undefined
  let unfollow: (() => void) | undefined
  let timer: NodeJS.Timeout | undefined
  let failures = 0

  function ring(): void {
    isDue = true
    running ??= run().finally(() => {
      running = undefined
      if (isDue && !stopping.signal.aborted) ring()
    })
  }

  async function run(): Promise<void> {
    while (isDue && !stopping.signal.aborted) {
      isDue = false
      clearTimeout(timer)
      try {
        await take()
        await tell()
        failures = 0
      } catch (error) {
        failed(error)
      }
    }
  }

  function failed(error: unknown): void {
    if (stopping.signal.aborted) return
    const delayMs = backoffMs(failures++, retry)
    log.warn({ reason: describe(error), delayMs }, 'notifications not sent, will try again')
    timer = setTimeout(ring, delayMs).unref()
  }

  /** Brings the position in line with what is wanted. */
  async function take(): Promise<void> {
    position ??= readPosition(await records.get(keys.notifications))
    if (!wanted) return
    const { patterns, after } = wanted
    if (patterns.length === 0) return forget()
    unfollow ??= changes.onChange(() => send && ring())
    const era: Era = { after, patterns }
    const next = position ? withEra(position, era) : { cursor: after, eras: [era] }
    if (next !== position) {
      log.info({ patterns: patterns.length, after }, 'notifications in force')
      position = next
      isWritten = false
      isNews = true
    }
    await write()
  }

  async function forget(): Promise<void> {
    unfollow?.()
    unfollow = undefined
    if (!position) return
    await records.commit({ remove: [keys.notifications] })
    position = undefined
    isWritten = true
    onChange?.()
    log.info('notifications are off')
  }

  async function tell(): Promise<void> {
    while (position && wanted && send && !isDue && !stopping.signal.aborted) {
      const page = await changes.since(position.cursor, pageSize)
      if (page === 'trimmed') await goOn(position)
      else if (page.length === 0) return toldAll()
      else await tellPage(send, position, wholePushes(page, pageSize))
      await turn()
    }
  }

  function toldAll(): void {
    if (isNews) onChange?.()
    isNews = false
  }

  async function tellPage(to: SendOutput, from: Position, page: Parameters<typeof eventsOf>[0]): Promise<void> {
    const patternsAt = (sequence: number) => patternsIn(from, sequence)
    for (const { sequence, event } of eventsOf(page, { patternsAt, storeId, name: name() })) {
      await to(output, { id: event.id, body: JSON.stringify(event) })
      lastSent = event.timestamp
      move({ ...from, cursor: sequence })
    }
    move({ ...from, cursor: page.at(-1)!.sequence })
    await write()
  }

  /** What was trimmed is told to nobody: how much that is, is told. */
  async function goOn(from: Position): Promise<void> {
    const [oldest] = await changes.read(0, 1)
    const head = changes.head()
    const cursor = oldest && from.cursor <= head ? oldest.sequence - 1 : head
    const count = Math.max(0, cursor - from.cursor)
    const lost = { count: count + (from.lost?.count ?? 0), at: now().toISOString() }
    move({ ...from, cursor, lost })
    await write()
    log.error({ changes: count, after: from.cursor }, 'changes were trimmed before they were told')
    onChange?.()
  }

  function move(next: Position): void {
    const later = next.eras.findLastIndex(({ after }) => after <= next.cursor)
    position = { ...next, eras: next.eras.slice(Math.max(0, later)) }
    isWritten = false
    isNews = true
  }

  async function write(): Promise<void> {
    if (isWritten || !position) return
    const written = position
    await records.commit({ put: [[keys.notifications, recordOf(written)]] })
    isWritten = written === position
  }

  return {
    apply(next) {
      wanted = next
      ring()
    },
    connected(next) {
      send = next
      if (next) ring()
    },
    status: () => position && { unread: Math.max(0, changes.head() - position.cursor), lastSent },
    details() {
      const { lost } = position ?? {}
      if (!lost || now().getTime() - Date.parse(lost.at) > dayMs) return []
      const description = `up to ${lost.count} changes were trimmed from the change log before edgeHub took them`
      return [{ type: 'State', code: 'NOTIFICATIONS_LOST', description }]
    },
    async stop() {
      stopping.abort()
      clearTimeout(timer)
      unfollow?.()
      await running
    }
  }
}
