import type { Descriptor } from '../protocol/descriptor.ts'
import type { Digest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import { isRepositoryName } from '../protocol/reference.ts'
import { type BlobStore, DigestMismatchError, UploadOffsetError, UploadUnknownError } from '../storage/blob-store.ts'
import { keys } from '../storage/layout.ts'
import type { RecordStore } from '../storage/record-store.ts'
import { SyncError } from '../storage/store-error.ts'
import type { Blobs } from './registry.ts'
import { createUploadSessions, type Session, type UploadName, type UploadRecord } from './upload-sessions.ts'

/**
 * Blobs that clients push, while their bytes arrive. A session belongs to one repository and one identity and outlives a restart;
 * to anybody else it does not exist: RegistryError BLOB_UPLOAD_UNKNOWN from every method that takes its name.
 */
export interface Uploads {
  /** The id of a new session. Throws RegistryError NAME_INVALID, TOOMANYREQUESTS where the identity has too many open. */
  begin(repository: string, identity: string): Promise<string>
  /** Bytes that are here, without a hole. */
  size(name: UploadName): Promise<number>
  /**
   * Adds content at the end and resolves to the size after it. Where the caller says where it belongs (`at`), anything but the end
   * is RANGE_INVALID. An append under way gives way: whoever comes back has lost the connection before. What came before a
   * failure stays, except where the disk is full, or did not take it.
   */
  append(name: UploadName, content: AsyncIterable<Uint8Array>, options?: { readonly at?: number }): Promise<number>
  /** Verifies the content and links it into the repository. Throws DIGEST_INVALID or SyncError, and the session is over. */
  finish(name: UploadName, expected: Digest): Promise<Pick<Descriptor, 'digest' | 'size'>>
  cancel(name: UploadName): Promise<void>
  list(): Promise<readonly OpenUpload[]>
  /**
   * Ends the sessions, and leftovers of others, to which nothing was added for a day. Resolves to their number. `isKept`: uploads
   * that are not a client's, and that somebody goes on with.
   */
  expire(now: Date, isKept?: (id: string) => boolean): Promise<number>
  /**
   * Ends the uploads that have no session, whatever their age, and resolves to their number: those of a process that is gone, with
   * which nobody can go on. Only before anything else of this process takes content in.
   */
  dropOrphans(isKept?: (id: string) => boolean): Promise<number>
}

export interface OpenUpload extends UploadRecord {
  readonly id: string
  readonly size: number
  readonly writtenAt: Date
}

export interface UploadsDeps {
  readonly blobs: BlobStore
  readonly records: RecordStore
  readonly linked: Pick<Blobs, 'link' | 'hold'>
  readonly now: () => Date
  /** Sessions that one identity may have open: somebody else's clients must still find room. */
  readonly limit?: number
}

const lifetimeMs = 24 * 3_600_000
const mediaType = 'application/octet-stream'

export async function createUploads(deps: UploadsDeps): Promise<Uploads> {
  const { blobs, records, linked, now, limit = 1000 } = deps
  const sessions = await createUploadSessions(records, limit)

  async function sizeOf({ id }: Session): Promise<number> {
    const state = await blobs.uploadState(id)
    if (!state) throw unknown(id)
    return state.size
  }

  /** The record goes with the session, unless the batch that ended it has taken it along. */
  async function drop(session: Session): Promise<void> {
    if (sessions.forget(session)) await records.commit({ remove: [keys.upload(session.id)] })
  }

  async function write(session: Session, content: AsyncIterable<Uint8Array>, at: number, signal: AbortSignal) {
    try {
      return await blobs.append(session.id, content, { at, signal })
    } catch (error) {
      // Room for others counts for more than what can never become whole here.
      if (fullReason(error) ?? lostReason(error)) await blobs.cancel(session.id).then(() => drop(session))
      if (error instanceof UploadOffsetError) throw outOfOrder(error.size)
      throw error instanceof UploadUnknownError ? unknown(session.id) : error
    }
  }

  async function commit(session: Session, expected: Digest) {
    try {
      return await blobs.commit(session.id, expected)
    } catch (error) {
      const isMismatch = error instanceof DigestMismatchError
      if (isMismatch || error instanceof UploadUnknownError || error instanceof SyncError) await drop(session)
      if (isMismatch) throw new RegistryError('DIGEST_INVALID', { expected })
      throw error instanceof UploadUnknownError ? unknown(session.id) : error
    }
  }

  return {
    async begin(repository, identity) {
      if (!isRepositoryName(repository)) throw new RegistryError('NAME_INVALID', { repository })
      return sessions.open(identity, async () => {
        const id = await blobs.beginUpload()
        const record = { repository, identity, startedAt: now().toISOString() }
        await records.commit({ put: [[keys.upload(id), record]] }).catch(async (error: unknown) => {
          await blobs.cancel(id)
          throw error
        })
        return { id, record }
      })
    },

    size: async (name) => sizeOf(sessions.find(name)),

    append: (name, content, { at } = {}) =>
      sessions.alone(name, async (session, signal) => {
        const size = await sizeOf(session)
        if (at !== undefined && at !== size) throw outOfOrder(size)
        return write(session, content, size, signal)
      }),

    // The file is durable before the record that names it, and nobody collects it in between.
    finish: (name, expected) =>
      sessions.alone(name, (session) =>
        linked.hold(expected, async () => {
          // The content may have taken hours to come.
          records.wake()
          const { digest, size } = await commit(session, expected)
          await linked.link(name.repository, { digest, mediaType }, { along: { remove: [keys.upload(name.id)] } })
          sessions.forget(session)
          return { digest, size }
        })
      ),

    async cancel(name) {
      const session = sessions.find(name)
      await blobs.cancel(session.id)
      await drop(session)
    },

    async list() {
      const found: OpenUpload[] = []
      for await (const upload of blobs.listUploads()) {
        const record = sessions.get(upload.id)?.record
        if (record) found.push({ ...upload, ...record })
      }
      return found
    },

    async expire(time, isKept = () => false) {
      const lost = new Map(sessions.all().map((session) => [session.id, session]))
      let expired = 0
      for await (const { id, writtenAt } of blobs.listUploads()) {
        lost.delete(id)
        if (time.getTime() - writtenAt.getTime() < lifetimeMs || isKept(id)) continue
        const session = sessions.get(id)
        if (await blobs.cancel(id)) expired++
        if (session) await drop(session)
      }
      // A process that died between the content and the record of a finished upload leaves one without bytes.
      for (const session of lost.values()) await drop(session)
      return expired
    },

    async dropOrphans(isKept = () => false) {
      let dropped = 0
      for await (const { id } of blobs.listUploads()) {
        if (!sessions.get(id) && !isKept(id) && (await blobs.cancel(id))) dropped++
      }
      return dropped
    }
  }
}

/** Why there was no room for what had to be written: a full disk or a quota that is used up. Undefined: that was not it. */
export function fullReason(error: unknown): string | undefined {
  if (!(error instanceof Error && 'code' in error)) return undefined
  if (error.code !== 'ENOSPC' && error.code !== 'EDQUOT') return undefined
  return 'reason' in error && typeof error.reason === 'string' ? error.reason : 'the disk is full'
}

/** Why an upload was ended that its client did nothing wrong with, and may begin anew. Undefined: that was not it. */
export function lostReason(error: unknown): string | undefined {
  return error instanceof SyncError ? `${error.reason}: the upload is over` : undefined
}

function unknown(id: string): RegistryError {
  return new RegistryError('BLOB_UPLOAD_UNKNOWN', { id })
}

function outOfOrder(size: number): RegistryError {
  return new RegistryError('RANGE_INVALID', { size })
}
