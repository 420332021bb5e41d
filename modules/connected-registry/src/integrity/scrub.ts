import { algorithmOf, type Digest, digestOf, parseDigest } from '../protocol/digest.ts'
import type { BlobStore } from '../storage/blob-store.ts'
import { keys } from '../storage/layout.ts'
import type { RecordStore } from '../storage/record-store.ts'
import { createPace, type Pace, type PaceOptions } from './pace.ts'
import { matchesDigest } from './verify-blob.ts'

export interface ScrubDeps {
  readonly blobs: BlobStore
  readonly records: RecordStore
  readonly pace: PaceOptions
  /** Told of each damaged content as soon as it is found. */
  readonly onDamage?: (damage: Damage) => void
}

/** `QUARANTINED`: set aside, to be brought anew. `MANIFEST`: its bytes are a record, which stays where it is. */
export interface Damage {
  readonly digest: Digest
  readonly kind: 'QUARANTINED' | 'MANIFEST'
  readonly reason: string
}

export interface ScrubReport {
  /** What was read by this run; an earlier one that was cut may have read what comes before. */
  readonly blobs: number
  readonly bytes: number
  readonly manifests: number
  readonly resumedAfter?: Digest
  readonly damage: readonly Damage[]
}

/** Bytes between two notes of how far the reading has come. */
const noteEveryBytes = 256 * 1024 * 1024
const manifestsAtOnce = 8

/**
 * Reads all content once and sets aside what does not match its digest. Goes on where the last run was cut, and begins anew after
 * one that came to its end. May run while the registry works. Throws the signal's reason when it aborts.
 */
export async function scrub(
  { blobs, records, pace: paceOptions, onDamage }: ScrubDeps,
  signal: AbortSignal
): Promise<ScrubReport> {
  const pace = createPace(paceOptions, signal)
  const damage: Damage[] = []
  const found = (one: Damage) => {
    damage.push(one)
    onDamage?.(one)
  }
  const resumedAfter = await readCursor(records)
  const manifests = resumedAfter ? 0 : await scrubManifests(records, pace, found)
  const counts = await scrubBlobs({ blobs, records, pace, found, signal, after: resumedAfter })
  await records.commit({ remove: [keys.scrubCursor] })
  return { ...counts, manifests, resumedAfter, damage }
}

interface BlobReading {
  readonly blobs: BlobStore
  readonly records: RecordStore
  readonly pace: Pace
  readonly found: (damage: Damage) => void
  readonly signal: AbortSignal
  readonly after: Digest | undefined
}

async function scrubBlobs(reading: BlobReading) {
  const { blobs, records, after } = reading
  let [count, bytes, noted] = [0, 0, 0]
  let last = after
  const note = () => records.commit({ put: last ? [[keys.scrubCursor, { digest: last }]] : [] })
  try {
    for await (const digest of blobs.list()) {
      if (after !== undefined && !comesAfter(digest, after)) continue
      const read = await checkBlob(reading, digest)
      last = digest
      if (read === undefined) continue
      count++
      bytes += read
      if (bytes - noted < noteEveryBytes) continue
      noted = bytes
      await note()
    }
  } catch (error) {
    await note()
    throw error
  }
  return { blobs: count, bytes }
}

/** Bytes read; undefined: it is not there any more. */
async function checkBlob(reading: BlobReading, digest: Digest): Promise<number | undefined> {
  const { blobs, found } = reading
  const size = (await blobs.stat(digest))?.size
  if (size === undefined) return undefined
  const problem = await problemOf(reading, digest)
  // Read twice before it is taken away: a fault of the memory, or of the way to the disk, does not come again.
  if (problem && (await problemOf(reading, digest)) && (await blobs.quarantine(digest))) {
    found({ digest, kind: 'QUARANTINED', reason: problem })
  }
  return size
}

async function problemOf({ blobs, pace, signal }: BlobReading, digest: Digest): Promise<string | undefined> {
  const reader = await blobs.open(digest)
  if (!reader) return undefined
  try {
    const matches = await matchesDigest(reader, digest, (count) => pace.spend(count))
    return matches ? undefined : 'it does not match its digest'
  } catch (error) {
    signal.throwIfAborted()
    return `it cannot be read: ${error instanceof Error ? error.message : String(error)}`
  }
}

async function scrubManifests(records: RecordStore, pace: Pace, found: BlobReading['found']): Promise<number> {
  let count = 0
  for (let after: string | undefined; ; ) {
    const page = await records.list(keys.manifests, { after, limit: manifestsAtOnce })
    for (const [key, value] of page) {
      const digest = parseDigest(key.slice(keys.manifests.length))
      if (!digest || !(value instanceof Uint8Array)) continue
      count++
      await pace.spend(value.byteLength)
      if (digestOf(value, algorithmOf(digest)) === digest) continue
      found({ digest, kind: 'MANIFEST', reason: 'it does not match its digest' })
    }
    after = page.at(-1)?.[0]
    if (after === undefined) return count
  }
}

/** A cursor that nobody can read is none: reading twice does no harm. */
async function readCursor(records: RecordStore): Promise<Digest | undefined> {
  const cursor = await records.get(keys.scrubCursor)
  const text = typeof cursor === 'object' && cursor !== null && 'digest' in cursor ? cursor.digest : undefined
  return typeof text === 'string' ? parseDigest(text) : undefined
}

/** In the order in which the store lists them. */
function comesAfter(one: Digest, other: Digest): boolean {
  return one > other
}
