import { isDeepStrictEqual } from 'node:util'
import { ParentError } from '../parent/parent-error.ts'
import type { Instance } from '../parent/parent-gateway.ts'
import type { ParentRegistry } from '../parent/parent-registry.ts'
import type { GatewayMessage, MessagesPage } from '../protocol/gateway.ts'
import { messageLimits } from '../protocol/gateway.ts'
import { keys } from '../storage/layout.ts'
import type { RecordStore } from '../storage/record-store.ts'
import type { SyncEngine } from './engine.ts'
import type { GatewaySession } from './gateway-session.ts'
import type { Outbound } from './outbound.ts'
import { isLinkFailure } from './problems.ts'
import type { IterationSummary } from './status.ts'

export interface FeedReaderOptions {
  readonly parent: ParentRegistry
  readonly instance: Instance
  readonly session: GatewaySession
  readonly records: RecordStore
  readonly outbound: Pick<Outbound, 'retryRefused'>
  readonly engine: () => Pick<SyncEngine, 'sync'>
  readonly lastIteration: () => IterationSummary | undefined
  /** The parent became ReadOnly, or is so no more. */
  readonly onChange: () => void
  readonly waitSeconds: number
}

/** The child's side of the feed. Its cursor is durable only after the work that it covers. */
export interface FeedReader {
  /** One long poll, and the sync of what it named. Throws ParentError. */
  turn(signal: AbortSignal): Promise<void>
  /** Shows the parent how far its feed was followed: one that was put back to an older state says then that it is of another epoch. */
  confirm(signal: AbortSignal): Promise<void>
}

/** Of more repositories the whole scope is looked at. */
const mostAtOnce = 5000

type FeedCursor = {
  readonly parent: string
  /** How far its feed was followed. Undefined: to no place from where all that came before is done. */
  readonly next?: string
  /** How far it was heard, where that is further. */
  readonly heard?: string
  /** It was ReadOnly, and has not been asked again about what it refused. */
  readonly readOnly?: true
}

export function createFeedReader(options: FeedReaderOptions): FeedReader {
  const { parent, instance, session, records, outbound, engine, lastIteration, onChange, waitSeconds } = options
  const { gateway } = parent
  const name = `${parent.registryName.toLowerCase()} of ${parent.host}`
  let cursor: string | undefined
  let isRead = false
  let wasSynced: boolean | undefined
  let wasReadOnly: boolean | undefined
  /** The last iteration that may leave something of it undone. Undefined: all that was told is done. */
  let undone: { readonly last: IterationSummary | undefined } | undefined

  async function stored(): Promise<FeedCursor> {
    const value = (await records.get(keys.feedCursor)) as FeedCursor | undefined
    return value?.parent === name ? value : { parent: name }
  }

  async function begin(signal: AbortSignal): Promise<void> {
    // Before its place is taken by what is heard now.
    await confirm(signal)
    // The cursor first: what happens while everything is compared is told after that.
    const { next } = await ask({ waitSeconds: 0 }, signal)
    wasSynced = gateway.standing?.isSynced
    await hearMode()
    await done(next, await engine().sync({ fresh: true }))
  }

  async function done(next: string, summary: IterationSummary | undefined): Promise<void> {
    cursor = next
    // Where nothing was synced it is made up for: in the next window, or with other settings, everything is looked at.
    undone = summary?.result === 'Succeeded' ? undefined : { last: summary ?? lastIteration() }
    await save()
  }

  async function save(): Promise<void> {
    const last = lastIteration()
    if (undone && last !== undone.last && last?.result === 'Succeeded') undone = undefined
    if (cursor === undefined) return
    const { readOnly, ...before } = await stored()
    const kept = undone ? { ...before, heard: cursor } : { parent: name, next: cursor }
    await keep({ ...kept, ...(readOnly && { readOnly }) })
  }

  async function keep(value: FeedCursor): Promise<void> {
    if (!isDeepStrictEqual(await stored(), value)) await records.commit({ put: [[keys.feedCursor, value]] })
  }

  /** Whether it takes again what it refused until now. That is noted, for it may be so while nobody here looks. */
  async function hearMode(): Promise<boolean> {
    const { isReadOnly } = gateway.standing ?? {}
    if (isReadOnly !== wasReadOnly) onChange()
    wasReadOnly = isReadOnly
    const { readOnly, ...rest } = await stored()
    if (isReadOnly && !readOnly) await keep({ ...rest, readOnly: true })
    if (isReadOnly !== false || !readOnly) return false
    await outbound.retryRefused()
    await keep(rest)
    return true
  }

  function ask(request: { after?: string; waitSeconds: number }, signal: AbortSignal): Promise<MessagesPage> {
    return gateway.messages(instance, { ...request, etag: session.etag, limit: messageLimits.mostPerPage }, signal)
  }

  async function read(after: string, signal: AbortSignal) {
    const repositories = new Set<string>()
    let page = await ask({ after, waitSeconds }, signal)
    let isConfigNew = note(page.messages, repositories)
    while (page.messages.length >= messageLimits.mostPerPage && repositories.size < mostAtOnce) {
      page = await ask({ after: page.next, waitSeconds: 0 }, signal)
      isConfigNew = note(page.messages, repositories) || isConfigNew
    }
    return { repositories, isConfigNew, next: page.next }
  }

  async function confirm(signal: AbortSignal): Promise<void> {
    const { next, heard = next } = await stored()
    const after = heard ?? cursor
    if (after === undefined) return
    await ask({ after, waitSeconds: 0 }, signal).catch((error: unknown) => {
      // A refusal names the epoch, or the next answer will.
      if (!(error instanceof ParentError) || error.retryable || isLinkFailure(error)) throw error
      if (error.parentCode !== 'NOT_ACTIVATED' || session.state !== 'active') return
      // Put back to before it let us in, it has not looked at our cursor. The next round is let in again.
      session.refused(error)
      throw error
    })
  }

  return {
    confirm,
    async turn(signal) {
      if (!isRead) cursor = (await stored()).next
      isRead = true
      if (cursor === undefined) return begin(signal)
      wasSynced ??= gateway.standing?.isSynced
      const news = await read(cursor, signal).catch((error: unknown) => {
        if (error instanceof ParentError && error.parentCode === 'MESSAGES_EXPIRED') return 'expired' as const
        throw error
      })
      if (news === 'expired') return begin(signal)
      // Before what it tells is here and seen: who is put back to an older state meanwhile must not take it away again.
      if (news.repositories.size > 0) await keep({ ...(await stored()), heard: news.next })
      if (news.isConfigNew) await session.readConfig()
      const isWritable = await hearMode()
      const { isSynced = false } = gateway.standing ?? {}
      const isWhole = isWritable || (isSynced && wasSynced === false) || news.repositories.size >= mostAtOnce
      wasSynced = isSynced
      if (isWhole) await done(news.next, await engine().sync({ fresh: true }))
      else if (news.repositories.size > 0) await done(news.next, await engine().sync({ only: news.repositories }))
      else {
        cursor = news.next
        await save()
      }
    }
  }
}

/** True where the config is another one. */
function note(messages: readonly GatewayMessage[], repositories: Set<string>): boolean {
  let isConfigNew = false
  for (const message of messages) {
    if (message.kind === 'artifact') repositories.add(message.repository)
    else isConfigNew = true
  }
  return isConfigNew
}
