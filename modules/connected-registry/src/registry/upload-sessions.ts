import { RegistryError } from '../protocol/errors.ts'
import { keys } from '../storage/layout.ts'
import type { RecordStore } from '../storage/record-store.ts'
import { pages } from './records.ts'

/** What a client says of the session it means: all of it must fit. */
export interface UploadName {
  readonly id: string
  readonly repository: string
  /** The name of the token. */
  readonly identity: string
}

export type UploadRecord = {
  readonly repository: string
  readonly identity: string
  /** RFC 3339, UTC. */
  readonly startedAt: string
}

export interface Session {
  readonly id: string
  readonly record: UploadRecord
}

/** The sessions that are open: in memory as in the records, since one process owns a store. */
export interface UploadSessions {
  get(id: string): Session | undefined
  /** Throws RegistryError BLOB_UPLOAD_UNKNOWN, also where it is somebody else's: an id that was seen is no right. */
  find(name: UploadName): Session
  all(): readonly Session[]
  /** Throws RegistryError TOOMANYREQUESTS where the identity has no place left. Those that are being begun count. */
  open(identity: string, begin: () => Promise<Session>): Promise<string>
  /** One work at a time for each session. The one before is told to stop, and ended before this one begins. */
  alone<T>(name: UploadName, work: (session: Session, signal: AbortSignal) => Promise<T>): Promise<T>
  /** False: it was over already. */
  forget(session: Session): boolean
}

interface Work {
  readonly stop: AbortController
  readonly ended: Promise<unknown>
}

export async function createUploadSessions(records: RecordStore, limit: number): Promise<UploadSessions> {
  const sessions = new Map<string, Session>()
  const working = new Map<string, Work>()
  const open = new Map<string, number>()

  function add(session: Session): void {
    sessions.set(session.id, session)
  }

  function count(identity: string, by: 1 | -1): void {
    const left = (open.get(identity) ?? 0) + by
    if (left === 0) open.delete(identity)
    else open.set(identity, left)
  }

  function find({ id, repository, identity }: UploadName): Session {
    const session = sessions.get(id)
    const isTheirs = session?.record.repository === repository && session.record.identity === identity
    if (!session || !isTheirs) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
    return session
  }

  for await (const page of pages(records, keys.uploads, 1000)) {
    for (const [key, value] of page) {
      const record = value as UploadRecord
      add({ id: key.slice(keys.uploads.length), record })
      count(record.identity, 1)
    }
  }

  return {
    get: (id) => sessions.get(id),
    find,
    all: () => [...sessions.values()],
    async open(identity, begin) {
      if ((open.get(identity) ?? 0) >= limit) {
        throw new RegistryError('TOOMANYREQUESTS', { limit }, 'too many uploads are open')
      }
      count(identity, 1)
      try {
        const session = await begin()
        add(session)
        return session.id
      } catch (error) {
        count(identity, -1)
        throw error
      }
    },
    async alone(name, work) {
      const { id } = find(name)
      const former = working.get(id)
      const stop = new AbortController()
      former?.stop.abort(
        new RegistryError('BLOB_UPLOAD_INVALID', undefined, 'another request goes on with this upload')
      )
      const running = Promise.resolve(former?.ended).then(() => {
        stop.signal.throwIfAborted()
        // It may have been finished or cancelled meanwhile.
        return work(find(name), stop.signal)
      })
      const ended = Promise.allSettled([running]).then(() => {
        if (working.get(id)?.ended === ended) working.delete(id)
      })
      working.set(id, { stop, ended })
      return running
    },
    forget({ id, record }) {
      if (!sessions.delete(id)) return false
      count(record.identity, -1)
      return true
    }
  }
}
