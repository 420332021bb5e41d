import type { Descriptor } from '../protocol/descriptor.ts'
import type { Digest } from '../protocol/digest.ts'
import { pages } from '../registry/records.ts'
import type { BlobStore } from '../storage/blob-store.ts'
import { keys } from '../storage/layout.ts'
import type { RecordStore } from '../storage/record-store.ts'

/**
 * Which upload holds what came of a blob so far. It outlives rounds, the process and the power: whoever wants the blob next
 * goes on there. Small blobs are not noted, for to begin them anew costs less than the record.
 */
export interface TransferJournal {
  /** Whether there may be an upload to go on with. */
  knows(digest: Digest): boolean
  /** The upload to go on with; begun where there is none. */
  open(descriptor: Descriptor): Promise<OpenTransfer>
  /** Nobody writes to it for now. What is not noted goes. */
  leave(digest: Digest, upload: string): Promise<void>
  /** It is over: the blob is here, or what came of it is of no use. */
  end(digest: Digest, upload: string): Promise<void>
  /** Whether this upload is one of ours, and is to stay. */
  holds(upload: string): boolean
  /** Ends those that nobody writes to and that were last wanted before `since`; all of them without it. Resolves to their number. */
  drop(since?: Date): Promise<number>
}

export interface OpenTransfer {
  readonly upload: string
  /** That the next process will find it; content may come meanwhile. Where it fails the upload is still to be left. */
  readonly noted: Promise<void>
}

export interface TransferJournalOptions {
  readonly blobs: Pick<BlobStore, 'beginUpload' | 'uploadState' | 'cancel'>
  readonly records: RecordStore
  readonly now?: () => Date
  /** Blobs of fewer bytes are not noted. */
  readonly leastBytes?: number
}

type Entry = {
  readonly upload: string
  readonly size: number
  /** When it was last wanted: RFC 3339, UTC. */
  readonly wantedAt: string
}

const usualLeastBytes = 256 * 1024
const pageSize = 1000

export async function openTransferJournal({
  blobs,
  records,
  now = () => new Date(),
  leastBytes = usualLeastBytes
}: TransferJournalOptions): Promise<TransferJournal> {
  const entries = await readEntries(records)
  const open = new Set<string>()

  async function note(digest: Digest, entry: Entry): Promise<void> {
    await records.commit({ put: [[keys.transfer(digest), entry]] })
    entries.set(digest, entry)
  }

  /** The record last: a process that dies in between leaves one that leads nowhere, not an upload that nobody knows of. */
  async function end(digest: Digest, upload: string): Promise<void> {
    open.delete(upload)
    await blobs.cancel(upload)
    if (entries.get(digest)?.upload !== upload) return
    await records.commit({ remove: [keys.transfer(digest)] })
    entries.delete(digest)
  }

  async function known({ digest, size }: Descriptor): Promise<string | undefined> {
    const entry = entries.get(digest)
    if (!entry) return undefined
    if (entry.size === size && (await blobs.uploadState(entry.upload))) return entry.upload
    await end(digest, entry.upload)
    return undefined
  }

  return {
    knows: (digest) => entries.has(digest),
    async open(descriptor) {
      const { digest, size } = descriptor
      const upload = (await known(descriptor)) ?? (await blobs.beginUpload({ size }))
      open.add(upload)
      const entry = { upload, size, wantedAt: now().toISOString() }
      return { upload, noted: size < leastBytes ? Promise.resolve() : note(digest, entry) }
    },
    async leave(digest, upload) {
      open.delete(upload)
      if (entries.get(digest)?.upload !== upload) await blobs.cancel(upload)
    },
    end,
    holds: (upload) => Array.from(entries.values()).some((entry) => entry.upload === upload),
    async drop(since) {
      let dropped = 0
      for (const [digest, { upload, wantedAt }] of [...entries]) {
        if (open.has(upload) || (since && Date.parse(wantedAt) >= since.getTime())) continue
        await end(digest, upload)
        dropped++
      }
      return dropped
    }
  }
}

async function readEntries(records: RecordStore): Promise<Map<Digest, Entry>> {
  const entries = new Map<Digest, Entry>()
  for await (const page of pages(records, keys.transfers, pageSize)) {
    for (const [key, value] of page) entries.set(key.slice(keys.transfers.length) as Digest, value as Entry)
  }
  return entries
}
