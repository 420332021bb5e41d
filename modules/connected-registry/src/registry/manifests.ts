import type { StoredManifest } from '../protocol/content.ts'
import type { Descriptor } from '../protocol/descriptor.ts'
import { algorithmOf, type Digest, digestOf, parseDigest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import { type Manifest, parseManifest } from '../protocol/manifest.ts'
import type { BlobStore } from '../storage/blob-store.ts'
import { keys } from '../storage/layout.ts'
import type { RecordStore } from '../storage/record-store.ts'
import type { ChangeLog } from './changes.ts'
import { holdRepository } from './holds.ts'
import { imageFacts } from './image-facts.ts'
import { createManifestCache } from './manifest-cache.ts'
import { dropManifest, expectContent, linkManifest } from './manifest-links.ts'
import { getLink, getTag, type LinkRecord } from './records.ts'
import type { Manifests, Page } from './registry.ts'
import { moveTag, termsOf } from './tags.ts'
import { transact } from './transaction.ts'
import { isWhole } from './wholeness.ts'

export interface ManifestsDeps {
  readonly blobs: BlobStore
  readonly records: RecordStore
  readonly log: ChangeLog
  readonly now: () => Date
  readonly admit: () => Promise<void>
}

const cacheBytes = 32 * 1024 * 1024

export function createManifests({ records, blobs, log, now, admit }: ManifestsDeps): Manifests {
  const readBytes = cachedBytes(records)

  const stat: Manifests['stat'] = async (repository, reference) => {
    // A tag's record says all there is to say: its target is linked as long as the tag is there.
    if (reference.kind === 'digest') return linkedManifest(records, repository, reference.digest)
    const tag = await getTag(records, repository, reference.tag)
    return tag && { mediaType: tag.mediaType, digest: tag.digest, size: tag.size }
  }

  const get: Manifests['get'] = async (repository, reference) => {
    const descriptor = await stat(repository, reference)
    return descriptor && { descriptor, bytes: await readBytes(descriptor.digest) }
  }

  const put: Manifests['put'] = async (repository, stored, options) => {
    const manifest = verify(stored)
    const { mediaType } = manifest
    const { digest, size } = stored.descriptor
    const { tag, moreTags = [], origin, sparse = false } = options
    await admit()
    const image = await imageFacts(blobs, manifest)
    await transact(log, termsOf(repository, tag, options), async (draft) => {
      const at = now().toISOString()
      const target = { digest, mediaType, size, updatedAt: at }
      const tagged = tag !== undefined || moreTags.length > 0
      await holdRepository(records, draft, repository, now)
      await expectContent(records, draft, { repository, manifest, sparse })
      await linkManifest(records, draft, { repository, stored, manifest, image, at, origin, tagged })
      if (tag !== undefined) await moveTag(records, draft, { repository, tag, target, options })
      for (const more of new Set(moreTags)) {
        if (more !== tag) await moveTag(records, draft, { repository, tag: more, target, options: { origin } })
      }
    })
    return manifest
  }

  return {
    stat,
    get,
    isWhole: (repository, digest, wants) => isWhole({ records, readBytes, wants }, repository, digest),
    put,
    admit,
    list: (repository, page) => listManifests(records, repository, page),
    remove: (repository, digest, options) =>
      transact(log, options, (draft) => {
        const { origin, unlessNeeded, lastLook } = options
        return dropManifest(records, draft, { repository, digest, origin, unlessNeeded, lastLook })
      })
  }
}

function cachedBytes(records: RecordStore): (digest: Digest) => Promise<Uint8Array> {
  const cache = createManifestCache(cacheBytes)
  return async (digest) => {
    const cached = cache.get(digest)
    if (cached) return cached
    const bytes = await records.get(keys.manifest(digest))
    if (!(bytes instanceof Uint8Array)) throw new Error(`manifest ${digest} is linked, but its bytes are missing`)
    cache.set(digest, bytes)
    return bytes
  }
}

async function linkedManifest(
  records: RecordStore,
  repository: string,
  digest: Digest
): Promise<Descriptor | undefined> {
  const link = await getLink(records, repository, digest)
  return link?.manifest ? descriptorOf(digest, link) : undefined
}

// A repository's blobs are linked under the same prefix, so a page of manifests may take several of links.
async function listManifests(records: RecordStore, repository: string, page: Page): Promise<readonly Descriptor[]> {
  const found: Descriptor[] = []
  const prefix = keys.links(repository)
  let after = page.after === undefined ? undefined : `${prefix}${page.after}`
  while (found.length < page.limit) {
    const links = await records.list(prefix, { after, limit: 1000 })
    for (const [key, value] of links) {
      const digest = parseDigest(key.slice(prefix.length))
      const link = value as LinkRecord
      if (digest && link.manifest) found.push(descriptorOf(digest, link))
    }
    after = links.at(-1)?.[0]
    if (after === undefined) break
  }
  return found.slice(0, page.limit)
}

function descriptorOf(digest: Digest, { mediaType, size }: LinkRecord): Descriptor {
  return { mediaType, digest, size }
}

function verify({ descriptor, bytes }: StoredManifest): Manifest {
  const { digest, size, mediaType } = descriptor
  const actual = digestOf(bytes, algorithmOf(digest))
  if (actual !== digest) throw new RegistryError('DIGEST_INVALID', { expected: digest, actual })
  if (bytes.byteLength !== size) throw new RegistryError('SIZE_INVALID', { expected: size, actual: bytes.byteLength })
  return parseManifest(bytes, mediaType)
}
