import { RegistryError } from '../protocol/errors.ts'
import { type Cursor, formatCursor, type GatewayMessage, type MessagesPage, parseCursor } from '../protocol/gateway.ts'
import type { Change, Changes } from '../registry/registry.ts'
import { type Child, isInScope } from './child.ts'
import type { Epoch } from './epoch.ts'

export interface FeedRequest {
  /** Asked for anew at each look: its scope may change while it waits. */
  readonly child: Child
  /** The cursor of the last page; undefined: from now on. */
  readonly after?: string
  /** Messages at the most. */
  readonly limit: number
  /** How long to wait for one, milliseconds. */
  readonly waitMs: number
  /** The config the child knows; a message tells when there is another one. */
  readonly etag?: string
  /** Of the config there is now. */
  readonly currentEtag: () => string
  /** Looked at with each of `wake`: whether the answer, though without a message, is news. */
  readonly isNews?: () => boolean
  readonly signal: AbortSignal
}

/** What each child reads of the change log: its repositories, without what it brought itself. */
export interface Feed {
  /**
   * Resolves with messages, or with none when the time is over. Throws RegistryError GATEWAY_INVALID for what is no cursor, and
   * MESSAGES_EXPIRED for one that is too old, of another store or from the future: then the child compares everything. One from the
   * future, at a change that is another one here or of an epoch that is not known here shows that this store was put back to an older
   * state: another epoch begins.
   */
  read(request: FeedRequest): Promise<MessagesPage>
  /** Whoever waits looks again: a child's config may be another one. */
  wake(): void
  /** Whoever waits is answered at once, from now on. */
  close(): void
}

export interface FeedOptions {
  readonly changes: Changes
  readonly epoch: Pick<Epoch, 'current' | 'knows' | 'renew'>
  readonly now: () => number
}

const scanned = 500
/** Waits of one child at a time. A lost connection is not known to be lost: the oldest is answered, the newest counts. */
const waitsPerChild = 4

export function createFeed({ changes, epoch, now }: FeedOptions): Feed {
  const bell = createBell(changes)
  const waits = createWaits(waitsPerChild)
  // Whoever waits stands at the same place, mostly: one look into the log serves them all.
  let lastLook: { readonly after: number; readonly head: number; readonly page: Promise<readonly Change[]> } | undefined

  async function read(request: FeedRequest): Promise<MessagesPage> {
    // Whoever waits while it becomes another one learns it with the next question.
    const of = epoch.current
    let sequence = await startOf(request)
    const { name } = request.child
    const over = createTimer(request.after === undefined ? 0 : request.waitMs)
    const leave = waits.enter(name, over.end)
    try {
      for (;;) {
        const rung = bell.next()
        const found = await scan(request, sequence)
        sequence = found.sequence
        if (found.messages.length > 0 || over.isOver || bell.isClosed || request.isNews?.()) {
          return { messages: found.messages, next: await cursorAt(sequence, of) }
        }
        await first([rung, over.promise], request.signal)
      }
    } finally {
      leave()
      over.cancel()
    }
  }

  async function startOf({ after, child }: FeedRequest): Promise<number> {
    if (after === undefined) return changes.head()
    const cursor = parseCursor(after)
    if (!cursor) throw new RegistryError('GATEWAY_INVALID', { parameter: 'after' }, 'after is no cursor')
    if (await isExpired(cursor, child)) throw new RegistryError('MESSAGES_EXPIRED')
    return cursor.sequence
  }

  async function isExpired(cursor: Cursor, { messageTtlMs }: Child): Promise<boolean> {
    const stamp = stampIn(cursor, epoch.current)
    if (stamp === undefined) {
      // Put back a second time it has forgotten the epochs that began meanwhile: what was agreed on before them must not count again.
      if (!epoch.knows(cursor.epoch)) await epoch.renew(cursor.epoch)
      return true
    }
    if ((await isAhead(cursor)) || !(await isKnown(cursor, stamp))) {
      await epoch.renew()
      return true
    }
    const [oldest] = await look(cursor.sequence)
    return oldest !== undefined && Date.parse(oldest.at) < now() - messageTtlMs
  }

  /** A change can be read a moment before the head moves: of what was never given out, the log says that it is trimmed. */
  async function isAhead({ sequence }: Cursor): Promise<boolean> {
    return sequence > changes.head() && (await changes.since(sequence, 1)) === 'trimmed'
  }

  /** What a store that was put back has given out since may be numbered as far. */
  async function isKnown({ sequence }: Cursor, stamp: string): Promise<boolean> {
    const known = stamp === '' ? undefined : await stampAt(sequence)
    return known === undefined || known === stamp
  }

  /** When the change came, in few letters. Undefined: it was trimmed, or there is none. */
  async function stampAt(sequence: number): Promise<string | undefined> {
    const [change] = sequence > 0 ? await changes.read(sequence - 1, 1) : []
    return change?.sequence === sequence ? Date.parse(change.at).toString(36) : undefined
  }

  async function cursorAt(sequence: number, of: string): Promise<string> {
    const stamp = await stampAt(sequence)
    return formatCursor({ epoch: stamp === undefined ? of : `${of}-${stamp}`, sequence })
  }

  async function scan(request: FeedRequest, from: number) {
    const { child, limit, etag, currentEtag } = request
    const messages = new Map<string, GatewayMessage>()
    let sequence = from
    for (;;) {
      const page = await look(sequence)
      for (const change of page) {
        if (messages.size >= limit) return { messages: [...messages.values()], sequence }
        sequence = change.sequence
        if (isFor(child, change)) messages.set(referenceKey(change), artifact(change))
      }
      if (page.length < scanned) break
    }
    const current = currentEtag()
    if (etag !== undefined && etag !== current) {
      messages.set('config', { kind: 'config', sequence, etag: current })
    }
    return { messages: [...messages.values()], sequence }
  }

  function look(after: number): Promise<readonly Change[]> {
    const head = changes.head()
    if (lastLook?.after === after && lastLook.head === head) return lastLook.page
    const page = after < head ? readFrom(after) : Promise.resolve([])
    const made = { after, head, page }
    lastLook = made
    // A failure is told to those who share it, and not kept: the next look may succeed.
    page.catch(() => {
      if (lastLook === made) lastLook = undefined
    })
    return page
  }

  async function readFrom(after: number): Promise<readonly Change[]> {
    const page = await changes.since(after, scanned)
    if (page === 'trimmed') throw new RegistryError('MESSAGES_EXPIRED')
    return page
  }

  return { read, wake: bell.ring, close: bell.close }
}

/** Of the change that a cursor stands at: empty where it has none. Undefined: it is of another epoch. */
function stampIn({ epoch }: Cursor, current: string): string | undefined {
  if (epoch === current) return ''
  return epoch.startsWith(`${current}-`) ? epoch.slice(current.length + 1) : undefined
}

function isFor(child: Child, { origin, repository }: Change): boolean {
  return origin !== `child:${child.name}` && isInScope(child, repository)
}

function artifact({ sequence, repository, tag, digest }: Change): GatewayMessage {
  return { kind: 'artifact', sequence, repository, reference: tag ?? digest }
}

function referenceKey({ repository, tag, digest }: Change): string {
  return `${repository} ${tag ?? digest}`
}

/** Rings after changes, at most once a turn of the event loop, however many there were. */
function createBell(changes: Changes) {
  let { promise, resolve } = Promise.withResolvers<void>()
  let isDue = false
  let isClosed = false
  const ring = () => {
    if (isDue) return
    isDue = true
    setImmediate(() => {
      isDue = false
      resolve()
      ;({ promise, resolve } = Promise.withResolvers<void>())
    })
  }
  const unsubscribe = changes.onChange(ring)
  return {
    ring,
    /** Of the next time: to be taken before the look that may find nothing. */
    next: () => promise,
    get isClosed() {
      return isClosed
    },
    close() {
      isClosed = true
      unsubscribe()
      ring()
    }
  }
}

function createTimer(ms: number) {
  const { promise, resolve } = Promise.withResolvers<void>()
  const end = () => {
    state.isOver = true
    resolve()
  }
  const state = { promise, isOver: ms <= 0, end, cancel: () => clearTimeout(timer) }
  const timer = setTimeout(end, ms)
  return state
}

/** Who waits in whose name, the oldest first. */
function createWaits(limit: number) {
  const ends = new Map<string, Set<() => void>>()
  return {
    /** `end` is called where newer ones need the place. Returns how to leave. */
    enter(child: string, end: () => void): () => void {
      const own = ends.get(child) ?? new Set()
      ends.set(child, own.add(end))
      const [oldest] = own
      if (own.size > limit && oldest) {
        own.delete(oldest)
        oldest()
      }
      return () => {
        own.delete(end)
        if (own.size === 0 && ends.get(child) === own) ends.delete(child)
      }
    }
  }
}

async function first(events: readonly Promise<void>[], signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const left = Promise.withResolvers<never>()
  const abort = () => left.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    await Promise.race([...events, left.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
