import type { StoredManifest } from '../../../modules/connected-registry/src/protocol/content.ts'
import type { Descriptor } from '../../../modules/connected-registry/src/protocol/descriptor.ts'
import { type Digest, digestOf, parseDigest } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { type BuiltImage, blobsOf, manifestsOf } from '../../fixtures/image-builder.ts'

/** What the cloud holds, and the hand of the test on it: no request, no access rule, at once. */
export interface Contents {
  /** Blobs, children, then the manifest; under the tag where one is given. */
  put(repository: string, image: BuiltImage, tag?: string): void
  putManifest(repository: string, manifest: StoredManifest, tag?: string): void
  /** `digest` must be true of the bytes; their sha256 where left out. */
  putBlob(repository: string, bytes: Uint8Array, digest?: Digest): void
  /** False: the other repository does not hold it. */
  mountBlob(repository: string, from: string, digest: Digest): boolean
  /** Throws where the repository has no such manifest. */
  tag(repository: string, tag: string, digest: Digest): void
  /** False: it was not there. So do the other three. */
  untag(repository: string, tag: string): boolean
  /** With its tags. */
  deleteManifest(repository: string, digest: Digest): boolean
  deleteBlob(repository: string, digest: Digest): boolean
  deleteRepository(repository: string): boolean
  reset(): void
  /** Names in byte order of the repositories with a manifest. */
  repositories(): readonly string[]
  /** Undefined where it has no manifest. */
  repository(name: string): Repository | undefined
  manifest(repository: string, reference: string): StoredManifest | undefined
  blob(repository: string, digest: Digest): Uint8Array | undefined
  /** Whichever repository it is in: for the data endpoint, which knows no repositories. */
  content(digest: string): Uint8Array | undefined
}

export interface Repository extends Times {
  readonly manifests: ReadonlyMap<Digest, StoredManifest & Times>
  readonly tags: ReadonlyMap<string, { readonly digest: Digest } & Times>
}

/** As ACR writes them, to 100 ns. */
export interface Times {
  readonly createdTime: string
  readonly lastUpdateTime: string
}

interface MutableRepository extends Times {
  lastUpdateTime: string
  readonly manifests: Map<Digest, StoredManifest & Times>
  readonly tags: Map<string, { readonly digest: Digest } & Times>
  readonly blobs: Set<Digest>
}

/** `tick` gives times that grow with each call. */
export function createContents(tick: () => string): Contents {
  const repositories = new Map<string, MutableRepository>()
  const blobs = new Map<string, Uint8Array>()

  const touch = (name: string, time: string): MutableRepository => {
    const found = repositories.get(name) ?? newRepository(time)
    found.lastUpdateTime = time
    repositories.set(name, found)
    return found
  }
  // Whether a removal moves a repository's time is not documented, so it does not: the counts must tell.
  const known = (name: string) => {
    const found = repositories.get(name)
    return found?.manifests.size ? found : undefined
  }
  const blobsIn = (name: string) => (repositories.get(name) ?? touch(name, tick())).blobs

  const contents: Contents = {
    put(repository, image, tag) {
      for (const bytes of blobsOf(image).values()) contents.putBlob(repository, bytes)
      for (const manifest of manifestsOf(image)) contents.putManifest(repository, manifest)
      if (tag !== undefined) contents.tag(repository, tag, image.manifest.descriptor.digest)
    },
    putManifest(repository, manifest, tag) {
      const { digest } = manifest.descriptor
      const time = tick()
      const { manifests } = touch(repository, time)
      manifests.set(digest, { ...manifest, ...timesOf(manifests.get(digest), time) })
      if (tag !== undefined) contents.tag(repository, tag, digest)
    },
    putBlob(repository, bytes, digest = digestOf(bytes)) {
      blobs.set(digest, bytes)
      blobsIn(repository).add(digest)
    },
    mountBlob(repository, from, digest) {
      const held = repositories.get(from)?.blobs.has(digest) ?? false
      if (held) blobsIn(repository).add(digest)
      return held
    },
    tag(repository, tag, digest) {
      if (!known(repository)?.manifests.has(digest)) throw new Error(`${repository} has no manifest ${digest}`)
      const time = tick()
      const { tags } = touch(repository, time)
      tags.set(tag, { digest, ...timesOf(tags.get(tag), time) })
    },
    untag: (repository, tag) => repositories.get(repository)?.tags.delete(tag) ?? false,
    deleteManifest(repository, digest) {
      const found = repositories.get(repository)
      for (const [tag, held] of found?.tags ?? []) if (held.digest === digest) found?.tags.delete(tag)
      return found?.manifests.delete(digest) ?? false
    },
    deleteBlob: (repository, digest) => repositories.get(repository)?.blobs.delete(digest) ?? false,
    deleteRepository: (repository) => known(repository) !== undefined && repositories.delete(repository),
    reset() {
      repositories.clear()
      blobs.clear()
    },
    repositories: () => [...repositories.keys()].filter(known).sort(),
    repository: known,
    manifest(repository, reference) {
      const found = known(repository)
      const digest = found?.tags.get(reference)?.digest ?? parseDigest(reference)
      return digest && found?.manifests.get(digest)
    },
    blob: (repository, digest) => (repositories.get(repository)?.blobs.has(digest) ? blobs.get(digest) : undefined),
    content: (digest) => blobs.get(digest)
  }
  return contents
}

/** The parts of a manifest a registry looks at. */
export interface ManifestDocument {
  readonly mediaType?: string
  readonly artifactType?: string
  readonly config?: Descriptor
  readonly layers?: readonly (Descriptor & { readonly urls?: readonly string[] })[]
  readonly manifests?: readonly Descriptor[]
  readonly subject?: Descriptor
  readonly annotations?: Readonly<Record<string, string>>
}

/** Throws SyntaxError where the bytes are no JSON. */
export function documentOf({ bytes }: Pick<StoredManifest, 'bytes'>): ManifestDocument {
  return JSON.parse(Buffer.from(bytes).toString())
}

function newRepository(time: string): MutableRepository {
  return { createdTime: time, lastUpdateTime: time, manifests: new Map(), tags: new Map(), blobs: new Set() }
}

function timesOf(before: Times | undefined, time: string): Times {
  return { createdTime: before?.createdTime ?? time, lastUpdateTime: time }
}
