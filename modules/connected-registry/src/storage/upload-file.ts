import type { Hash } from 'node:crypto'
import {
  appendFile,
  type FileHandle,
  mkdir,
  open,
  readFile,
  rm,
  rmdir,
  stat,
  unlink,
  writeFile
} from 'node:fs/promises'
import { join } from 'node:path'
import { type Algorithm, newHash } from '../protocol/digest.ts'
import type { AppendOptions, ByteRange } from './blob-store.ts'
import { addRange, type ByteRanges, firstBytes } from './byte-ranges.ts'
import { type FileSync, syncDirectory } from './durable-files.ts'
import { createEarlySync, type EarlySyncPlaces } from './early-sync.ts'
import { type Blocks, blockSize, writeGathered } from './gathered-writes.ts'
import type { Hashing } from './hashing.ts'
import { createRunningHash } from './running-hash.ts'
import { codeOf, SyncError } from './store-error.ts'
import { createUploadSession, type UploadSession } from './upload-session.ts'

/**
 * One upload on disk, in a folder of its own:
 *
 *   data     the bytes, each at its offset
 *   ranges   with sparse appends, or after a sync that failed: a line `<first>-<last>` for each range of bytes that is durable
 *
 * Without `ranges` every byte of `data` counts.
 */
export interface UploadFile {
  readonly data: string
  readonly session: UploadSession
  append(content: AsyncIterable<Uint8Array>, options: AppendOptions): Promise<number>
  /** The digest's hex of all bytes: what was hashed while they arrived, else one read. */
  hash(algorithm: Algorithm): Promise<string>
  /**
   * The file holds these bytes and no others, on the disk. This and `append` throw SyncError where the disk does not take them:
   * they are of no use from then on.
   */
  sync(): Promise<void>
  /** Nothing of it is on its way to the disk any more, and what came of that is noted. */
  settled(): Promise<void>
  /** Undefined: it is over. */
  writtenAt(): Promise<Date | undefined>
  remove(): Promise<void>
}

/** What the uploads of one store share. */
export interface UploadMeans {
  readonly blocks: Blocks
  readonly earlySyncs: EarlySyncPlaces
  readonly hashing: Hashing
  /** A running hash is given up when nothing came for so long. */
  readonly hashIdleMs?: number
  readonly sync: FileSync
}

/** What a process that is killed may have to fetch again of bytes that leave a hole: so many, or those of so long. */
const noteEvery = { bytes: 16 * 1024 * 1024, ms: 2_000 }

/** `size`: of what is to come, where that is known. */
export async function createUploadFile(folder: string, id: string, means: UploadMeans, size = 0): Promise<UploadFile> {
  await mkdir(join(folder, id))
  await writeFile(join(folder, id, 'data'), '', { flag: 'wx' })
  return uploadFile(join(folder, id), createUploadSession(id, []), means, { sparse: false, toCome: size })
}

/** Undefined: there is no such upload. */
export async function loadUploadFile(folder: string, id: string, means: UploadMeans): Promise<UploadFile | undefined> {
  const data = await stat(join(folder, id, 'data')).catch(missing)
  if (!data) return undefined
  const notes = await readFile(join(folder, id, 'ranges'), 'utf8').catch(missing)
  const written = notes === undefined ? firstBytes(data.size) : parseNotes(notes, data.size)
  return uploadFile(join(folder, id), createUploadSession(id, written), means, {
    sparse: notes !== undefined,
    toCome: 0
  })
}

interface Beginning {
  /** Bytes are noted. */
  readonly sparse: boolean
  readonly toCome: number
}

function uploadFile(
  folder: string,
  session: UploadSession,
  means: UploadMeans,
  { sparse, toCome }: Beginning
): UploadFile {
  const data = join(folder, 'data')
  const running = createRunningHash(means.hashing, means.hashIdleMs)
  if (toCome >= blockSize) running.prepare()
  let lost: SyncError | undefined
  const sync: FileSync = async (handle, what) => {
    // The disk is not asked again: it might say that all is well, and what is lost be noted as durable.
    if (lost) throw lost
    await means.sync(handle, what).catch((error: unknown) => {
      lost = new SyncError(data, error)
      throw lost
    })
  }
  const notes = createRangeNotes(folder, sparse, sync)
  const syncEarly: FileSync = (handle, what) =>
    sync(handle, what).catch((error: unknown) => notes.deny().finally(() => Promise.reject(error)))
  const early = createEarlySync(data, syncEarly, { places: means.earlySyncs })

  async function write(
    chunks: AsyncIterable<Uint8Array>,
    at: number,
    wrote: (range: ByteRange) => void
  ): Promise<void> {
    await using handle = await open(data, 'r+')
    let [noted, next, notedAt] = [at, at, performance.now()]
    try {
      await writeGathered(chunks, means.blocks, async (block) => {
        await running.write(handle, block, next)
        wrote({ first: next, last: next + block.length - 1 })
        next += block.length
        // Where bytes are noted they are on the disk before.
        if (!notes.areKept()) early.wrote(block.length)
        if (next - noted < noteEvery.bytes && performance.now() - notedAt < noteEvery.ms) return
        await notes.add(handle, noted, next)
        ;[noted, notedAt] = [next, performance.now()]
      })
    } finally {
      await notes.add(handle, noted, next)
    }
  }

  return {
    data,
    session,
    append(content, options) {
      return session.append(content, options, async (chunks, at, wrote) => {
        if (options.sparse) {
          await early.done()
          await notes.begin(session.state().size)
        }
        running.expect(options.sparse ? undefined : at)
        await write(chunks, at, wrote)
      })
    },
    async hash(algorithm) {
      const end = session.end()
      const known = algorithm === 'sha256' ? await running.digest(end) : undefined
      if (known) return known
      await using handle = await open(data, 'r')
      const hex = await hashOnThread(means.hashing, handle, { algorithm, size: end })
      return hex ?? (await hashFile(handle, newHash(algorithm), end))
    },
    async sync() {
      await early.done()
      await using handle = await open(data, 'r+')
      // Bytes that were written but never counted, such as those of a block that did not fit.
      await handle.truncate(session.end())
      await sync(handle, 'all')
    },
    settled: () => early.done().catch(() => undefined),
    writtenAt: async () => (await stat(data).catch(missing))?.mtime,
    async remove() {
      running.end()
      // First the data: whatever of the rest a crash leaves is swept at the next start, and no note is missed.
      await unlink(data).catch(missing)
      // Most hold nothing any more: to look through each would take longer than all the rest of a small blob's end.
      await rmdir(folder).catch(() => rm(folder, { recursive: true, force: true }))
    }
  }
}

/** The file `ranges`, once there may be holes: from then on a byte counts only when it is noted. */
function createRangeNotes(folder: string, begun: boolean, sync: FileSync) {
  const path = join(folder, 'ranges')
  let beginning: Promise<void> | undefined = begun ? Promise.resolve() : undefined

  async function write(size: number): Promise<void> {
    await using data = await open(join(folder, 'data'), 'r+')
    await sync(data, 'data')
    await using handle = await open(path, 'w')
    await handle.writeFile(size === 0 ? '' : `0-${size - 1}\n`)
    await sync(handle, 'all')
    await syncDirectory(folder)
  }

  return {
    areKept: () => beginning !== undefined,
    /** None of the bytes so far is durable: the system tells of a failed sync once, and after a restart nobody would know. */
    deny: () => writeFile(path, ''),
    /** Before the first byte that may leave a hole behind it. `size`: what is here so far. */
    begin(size: number): Promise<void> {
      beginning ??= write(size).catch((error: unknown) => {
        beginning = undefined
        throw error
      })
      return beginning
    },
    /** The data first, then the line that says so: a power cut may cost a range, never invent one. */
    async add(data: FileHandle, first: number, next: number): Promise<void> {
      if (!beginning || next === first) return
      await sync(data, 'data')
      // The line feed before keeps a line that was cut from running into this one.
      await appendFile(path, `\n${first}-${next - 1}\n`)
    }
  }
}

/** Undefined: there is no thread for it, or it was lost. */
async function hashOnThread(
  hashing: Hashing,
  file: FileHandle,
  { algorithm, size }: { algorithm: Algorithm; size: number }
): Promise<string | undefined> {
  if (size < blockSize) return undefined
  const hash = hashing.begin(algorithm)
  try {
    return (await hash.readFirst(file, size)) ? await hash.digest() : undefined
  } finally {
    hash.end()
  }
}

/** Hashes one block of the first `end` bytes while the next one is read. */
async function hashFile(handle: FileHandle, hash: Hash, end: number): Promise<string> {
  const blocks = [Buffer.allocUnsafeSlow(blockSize), Buffer.allocUnsafeSlow(blockSize)] as const
  const read = (block: Buffer, at: number) => handle.read(block, 0, Math.min(block.length, end - at), at)
  let position = 0
  let reading = read(blocks[0], position)
  for (let turn = 1; ; turn++) {
    const { bytesRead, buffer } = await reading
    if (bytesRead === 0) return hash.digest('hex')
    position += bytesRead
    reading = read(turn % 2 === 0 ? blocks[0] : blocks[1], position)
    hash.update(buffer.subarray(0, bytesRead))
  }
}

/** A line cut by a power failure, or one beyond the data, says nothing. */
function parseNotes(notes: string, size: number): ByteRanges {
  let ranges: ByteRanges = []
  for (const line of notes.split('\n').slice(0, -1)) {
    const [, first, last] = /^(\d{1,15})-(\d{1,15})$/.exec(line) ?? []
    const range = { first: Number(first), last: Number(last) }
    if (range.first <= range.last && range.last < size) ranges = addRange(ranges, range)
  }
  return ranges
}

function missing(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error
  return undefined
}
