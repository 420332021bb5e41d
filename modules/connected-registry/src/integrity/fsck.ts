import type { Digest } from '../protocol/digest.ts'
import { openBlobFile } from '../storage/blob-file.ts'
import { scanContent } from '../storage/content-scan.ts'
import { blobPath, type StorePaths, storePaths } from '../storage/layout.ts'
import { type RecordScan, scanRecords } from '../storage/record-scan.ts'
import { lockStore } from '../storage/store-lock.ts'
import { examineBlobs, type StoredContent } from './blob-rules.ts'
import { type Catalog, readCatalog } from './catalog.ts'
import { examineCatalog } from './catalog-rules.ts'
import { type Findings, noFindings, type Problem, type Remainder } from './findings.ts'
import { examineIndexes } from './index-rules.ts'
import { matchesDigest } from './verify-blob.ts'

export interface FsckOptions {
  /** Reads every blob as well and compares it with its digest. */
  readonly content?: boolean
  /** Also while a registry works on the store: what that one is doing at the moment may look like a problem. */
  readonly whileInUse?: boolean
}

export interface FsckReport {
  readonly dataVolume: string
  readonly figures: StoreFigures
  readonly problems: readonly Problem[]
  readonly remainders: readonly Remainder[]
}

export interface StoreFigures {
  readonly repositories: number
  readonly tags: number
  readonly manifests: number
  readonly manifestBytes: number
  readonly blobs: number
  readonly blobBytes: number
  readonly uploads: number
  readonly quarantined: number
  /** First and last sequence of the change log's entries; 0 where there is none. */
  readonly log: { readonly first: number; readonly last: number }
}

/**
 * Examines a whole store and changes nothing in it. Throws StoreError where there is none (`ENOENT`), where it is in use
 * (`STORE_IN_USE`), or where its records cannot be opened at all.
 */
export async function fsck(dataVolume: string, options: FsckOptions = {}): Promise<FsckReport> {
  const paths = storePaths(dataVolume)
  const scan = scanRecords(paths.records)
  try {
    if (options.whileInUse) return await examine(dataVolume, paths, scan, options)
    const lock = await lockStore(paths.lock)
    try {
      return await examine(dataVolume, paths, scan, options)
    } finally {
      await lock.release()
    }
  } finally {
    scan.close()
  }
}

async function examine(
  dataVolume: string,
  paths: StorePaths,
  scan: RecordScan,
  { content: reads = false }: FsckOptions
): Promise<FsckReport> {
  const findings = noFindings()
  for (const detail of scan.damage()) {
    findings.problems.push({ kind: 'RECORDS_DAMAGED', subject: paths.records, detail })
  }
  const catalog = readCatalog(scan.entries(), findings)
  const { content, uploads } = await readContent(paths, reads, findings)
  examineCatalog(catalog, findings)
  examineIndexes(catalog, findings)
  examineBlobs(catalog, content, findings)
  return { dataVolume, figures: figuresOf(catalog, content, uploads), ...findings }
}

async function readContent(
  paths: StorePaths,
  reads: boolean,
  findings: Findings
): Promise<{ readonly content: StoredContent; readonly uploads: number }> {
  const blobs = new Map<Digest, number>()
  const quarantined = new Set<Digest>()
  const damaged = new Set<Digest>()
  let uploads = 0
  for await (const file of scanContent(paths)) {
    if (file.kind === 'blob') {
      blobs.set(file.digest, file.size)
      if (reads && !(await isWhole(paths, file.digest))) damaged.add(file.digest)
    } else if (file.kind === 'quarantined') {
      quarantined.add(file.digest)
    } else if (file.kind === 'upload') {
      uploads++
      findings.remainders.push({ kind: 'UPLOAD_OPEN', subject: file.id, bytes: file.size })
    } else {
      findings.remainders.push({ kind: 'FILE_FOREIGN', subject: file.path, bytes: file.size })
    }
  }
  return { content: { blobs, quarantined, damaged }, uploads }
}

/** A disk that cannot give the bytes back is no different from one that gives wrong ones. */
async function isWhole(paths: StorePaths, digest: Digest): Promise<boolean> {
  try {
    const reader = await openBlobFile(blobPath(paths.blobs, digest))
    return reader !== undefined && (await matchesDigest(reader, digest))
  } catch {
    return false
  }
}

function figuresOf({ repositories, manifests, log }: Catalog, content: StoredContent, uploads: number): StoreFigures {
  const held = [...repositories.values()]
  return {
    repositories: held.filter(({ exists }) => exists).length,
    tags: held.reduce((sum, { tags }) => sum + tags.size, 0),
    manifests: manifests.size,
    manifestBytes: sum([...manifests.values()].map(({ size }) => size)),
    blobs: content.blobs.size,
    blobBytes: sum([...content.blobs.values()]),
    uploads,
    quarantined: content.quarantined.size,
    log: { first: log.first, last: log.last }
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
