import { algorithmOf, type Digest, digestOf, parseDigest } from '../protocol/digest.ts'
import { parseManifest } from '../protocol/manifest.ts'
import type { LinkRecord } from '../registry/records.ts'
import type { TagRecord } from '../registry/registry.ts'
import { tagOf } from '../registry/tags.ts'
import type { ScannedRecord } from '../storage/record-scan.ts'
import type { Value } from '../storage/record-store.ts'
import type { Findings } from './findings.ts'

/** The catalog as its records say, in memory: some hundred bytes for each link and tag, and what each manifest names. */
export interface Catalog {
  readonly repositories: Map<string, RepositoryContent>
  readonly manifests: Map<Digest, ManifestContent>
  /** Keys of the records that answer who names a digest, once they are complete. */
  readonly indexes: { complete: boolean; readonly keys: Set<string> }
  readonly log: { entries: number; first: number; last: number; head: number; trimmed: number }
}

export interface RepositoryContent {
  /** False: there are only records that should belong to one. */
  exists: boolean
  removal: boolean
  readonly tags: Map<string, TagRecord>
  readonly links: Map<Digest, LinkRecord>
  readonly referrers: { readonly subject: Digest; readonly digest: Digest }[]
}

export interface ManifestContent {
  readonly size: number
  readonly matches: boolean
  /** What it names; undefined where its bytes are no manifest. */
  readonly names?: NamedContent
}

export interface NamedContent {
  /** Blobs that must be here, and those that a client gets elsewhere. */
  readonly blobs: readonly Digest[]
  readonly foreign: readonly Digest[]
  readonly manifests: readonly Digest[]
  readonly subject?: Digest
}

/** Reads every record once, in any order. What cannot be understood becomes a finding. */
export function readCatalog(entries: Iterable<ScannedRecord>, findings: Findings): Catalog {
  const catalog: Catalog = {
    repositories: new Map(),
    manifests: new Map(),
    indexes: { complete: false, keys: new Set() },
    log: { entries: 0, first: 0, last: 0, head: 0, trimmed: 0 }
  }
  for (const entry of entries) {
    const problem = 'problem' in entry ? entry.problem : take(catalog, entry.key, entry.value)
    if (problem) findings.problems.push({ kind: 'RECORD_UNREADABLE', subject: entry.key, detail: problem })
  }
  return catalog
}

const kindOfKey = /^(repository|tag|link|referrer|manifest|change|log|holder|use|tagged|garbage):(.*)$/s

/** What is wrong with the record; undefined: nothing. Keys of other kinds are somebody else's matter. */
function take(catalog: Catalog, key: string, value: Value): string | undefined {
  const [, kind, rest = ''] = kindOfKey.exec(key) ?? []
  switch (kind) {
    case 'repository':
      return takeRepository(catalog, rest, value)
    case 'tag':
      return takeTag(catalog, rest, value)
    case 'link':
      return takeLink(catalog, rest, value)
    case 'referrer':
      return takeReferrer(catalog, rest)
    case 'manifest':
      return takeManifest(catalog, rest, value)
    case 'change':
      return takeChange(catalog, rest, value)
    case 'holder':
    case 'use':
    case 'tagged':
      catalog.indexes.keys.add(key)
      return undefined
    case 'garbage':
      if (rest === 'indexes') catalog.indexes.complete = true
      return undefined
    case 'log':
      if (typeof value !== 'number') return 'not a number'
      if (rest === 'head' || rest === 'trimmed') catalog.log[rest] = value
      return undefined
    default:
      return undefined
  }
}

function takeRepository(catalog: Catalog, name: string, value: Value): string | undefined {
  if (!isObject(value) || typeof value.createdAt !== 'string') return 'not a repository'
  Object.assign(repositoryOf(catalog, name), { exists: true, removal: value.removal !== undefined })
  return undefined
}

function takeTag(catalog: Catalog, rest: string, value: Value): string | undefined {
  const at = rest.indexOf(':')
  if (at < 0 || !isObject(value) || !isDigest(value.digest) || typeof value.size !== 'number') return 'not a tag'
  repositoryOf(catalog, rest.slice(0, at)).tags.set(tagOf(rest), value as unknown as TagRecord)
  return undefined
}

function takeLink(catalog: Catalog, rest: string, value: Value): string | undefined {
  const [name, digest] = nameAndDigest(rest)
  if (!digest || !isLink(value)) return 'not a link'
  repositoryOf(catalog, name).links.set(digest, value)
  return undefined
}

function takeReferrer(catalog: Catalog, rest: string): string | undefined {
  const [above, digest] = nameAndDigest(rest)
  const [name, subject] = nameAndDigest(above)
  if (!digest || !subject) return 'not a referrer'
  repositoryOf(catalog, name).referrers.push({ subject, digest })
  return undefined
}

function takeManifest(catalog: Catalog, rest: string, value: Value): string | undefined {
  const digest = parseDigest(rest)
  if (!digest || !(value instanceof Uint8Array)) return 'not a manifest'
  const matches = digestOf(value, algorithmOf(digest)) === digest
  catalog.manifests.set(digest, { size: value.byteLength, matches, names: namesIn(value) })
  return undefined
}

function namesIn(bytes: Uint8Array): NamedContent | undefined {
  try {
    const { blobs, manifests, subject } = parseManifest(bytes)
    return {
      blobs: digestsOf(blobs.filter(({ foreign }) => !foreign)),
      foreign: digestsOf(blobs.filter(({ foreign }) => foreign)),
      manifests: digestsOf(manifests),
      subject: subject?.digest
    }
  } catch {
    return undefined
  }
}

function digestsOf(descriptors: readonly { readonly digest: Digest }[]): readonly Digest[] {
  return descriptors.map(({ digest }) => digest)
}

function takeChange({ log }: Catalog, rest: string, value: Value): string | undefined {
  const sequence = Number(rest)
  if (!Number.isSafeInteger(sequence) || !isObject(value) || value.sequence !== sequence) return 'not a log entry'
  log.entries++
  log.first = log.first === 0 ? sequence : Math.min(log.first, sequence)
  log.last = Math.max(log.last, sequence)
  return undefined
}

function repositoryOf({ repositories }: Catalog, name: string): RepositoryContent {
  const known = repositories.get(name)
  if (known) return known
  const fresh = { exists: false, removal: false, tags: new Map(), links: new Map(), referrers: [] }
  repositories.set(name, fresh)
  return fresh
}

/** A digest holds one ':' itself. */
function nameAndDigest(text: string): readonly [name: string, digest: Digest | undefined] {
  const at = text.lastIndexOf(':', text.lastIndexOf(':') - 1)
  return [text.slice(0, Math.max(at, 0)), parseDigest(text.slice(at + 1))]
}

function isLink(value: Value): value is LinkRecord {
  if (!isObject(value)) return false
  const flags = typeof value.manifest === 'boolean' && typeof value.blob === 'boolean'
  return flags && typeof value.size === 'number' && typeof value.mediaType === 'string'
}

function isDigest(value: unknown): value is Digest {
  return typeof value === 'string' && parseDigest(value) !== undefined
}

function isObject(value: Value): value is { readonly [key: string]: Exclude<Value, Uint8Array> | undefined } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
}
