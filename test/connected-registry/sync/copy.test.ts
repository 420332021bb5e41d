import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import fc from 'fast-check'
import type {
  ContentSource,
  ContentTarget,
  StoredManifest
} from '../../../modules/connected-registry/src/protocol/content.ts'
import type { Digest } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { parseManifest } from '../../../modules/connected-registry/src/protocol/manifest.ts'
import { type CopyJob, copyManifest } from '../../../modules/connected-registry/src/sync/copy.ts'
import { createManifestMemory, NoRoomError } from '../../../modules/connected-registry/src/sync/manifest-memory.ts'
import { createPlaces } from '../../../modules/connected-registry/src/sync/places.ts'
import { isPassing } from '../../../modules/connected-registry/src/sync/problems.ts'
import { anImage, anIndex, aReferrer, type BuiltImage, blobsOf, manifestsOf } from '../../fixtures/image-builder.ts'

const { signal } = new AbortController()
const digestOf = (image: BuiltImage) => image.manifest.descriptor.digest
const files = [{ path: 'base', content: 'in all of them' }]
const platforms = ['amd64', 'arm64', 'riscv64', 's390x'].map((architecture) =>
  anImage({ files, layers: 2, layerSize: 10, platform: { os: 'linux', architecture } })
)
const index = anIndex(platforms)
const images = [
  index,
  platforms[1]!,
  anIndex([index, anImage({ seed: 'other', files })]),
  anImage({ seed: 'last', files })
]
const signatures = [...platforms, index].map((image) => aReferrer(image, { artifactType: 'application/vnd.signature' }))
const seals = signatures.map((image) => aReferrer(image, { artifactType: 'application/vnd.seal' }))
const everything = [...images, ...signatures, ...seals]

/** How many of each kind are under way, and the most there were. */
function createMeter() {
  const most = { manifests: 0, listings: 0 }
  const running = { manifests: 0, listings: 0 }
  return {
    most,
    async measure<T>(kind: keyof typeof most, work: () => Promise<T>): Promise<T> {
      most[kind] = Math.max(most[kind], ++running[kind])
      return work().finally(() => running[kind]--)
    }
  }
}

type Delay = <T>(value: T) => Promise<T>

function createSource(delay: Delay, meter: ReturnType<typeof createMeter>): ContentSource {
  const manifests = new Map(everything.flatMap(manifestsOf).map((manifest) => [manifest.descriptor.digest, manifest]))
  const underWay = new Set<Digest>()
  return {
    manifest: (reference) =>
      meter.measure('manifests', async () => {
        assert.ok(reference.kind === 'digest' && !underWay.has(reference.digest), 'once at a time')
        underWay.add(reference.digest)
        return delay(manifests.get(reference.digest)).finally(() => underWay.delete(reference.digest))
      }),
    blob: () => Promise.reject(new Error('the target of this test takes none')),
    referrers: (subject) =>
      meter.measure('listings', () =>
        delay(
          [...signatures, ...seals]
            .filter((image) => subjectOf(image.manifest) === subject)
            .map((image) => image.manifest.descriptor)
        )
      )
  }
}

function subjectOf({ bytes, descriptor }: StoredManifest): Digest | undefined {
  return parseManifest(bytes, descriptor.mediaType).subject?.digest
}

/** Refuses what comes out of order, as the registry does. */
function createTarget(delay: Delay) {
  const manifests = new Map<Digest, StoredManifest>()
  const blobs = new Set<Digest>()
  const underWay = new Set<Digest>()
  const target: ContentTarget = {
    hasManifest: async (digest) => delay(manifests.has(digest)),
    adoptBlob: ({ digest }) => delay(blobs.has(digest)),
    async putBlob({ digest }) {
      assert.ok(!underWay.has(digest), 'one transfer of a digest at a time')
      underWay.add(digest)
      await delay(undefined)
      underWay.delete(digest)
      blobs.add(digest)
    },
    async putManifest(manifest) {
      await delay(undefined)
      const named = parseManifest(manifest.bytes, manifest.descriptor.mediaType)
      for (const { digest } of named.manifests) assert.ok(manifests.has(digest), 'children before their parent')
      for (const { digest } of named.blobs) assert.ok(blobs.has(digest), 'layers before their manifest')
      if (named.subject) assert.ok(manifests.has(named.subject.digest), 'a subject before its referrers')
      manifests.set(manifest.descriptor.digest, manifest)
    }
  }
  return { target, manifests, blobs }
}

function createJob(delay: Delay, places: number, memory = createManifestMemory()) {
  const meter = createMeter()
  const { target, ...held } = createTarget(delay)
  const job: CopyJob = {
    source: createSource(delay, meter),
    target,
    manifests: new Map(),
    blobs: new Map(),
    settled: new Set(),
    memory,
    places: createPlaces(places)
  }
  return { job, meter, ...held }
}

test('however manifests and layers overtake each other, children come before parents, and all that is named comes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.shuffledSubarray(images, { minLength: 1 }),
      fc.nat(6),
      async (s, wanted, places) => {
        const { job, meter, manifests, blobs } = createJob((value) => s.schedule(Promise.resolve(value)), places)

        await s.waitFor(Promise.all(wanted.map((image) => copyManifest(job, digestOf(image), signal))))

        for (const image of wanted) {
          for (const { descriptor } of manifestsOf(image)) assert.ok(manifests.has(descriptor.digest))
          for (const digest of blobsOf(image).keys()) assert.ok(blobs.has(digest))
        }
        const isHeld = (subject: Digest | undefined) => subject !== undefined && manifests.has(subject)
        for (const { manifest } of [...signatures, ...seals]) {
          assert.equal(
            manifests.has(manifest.descriptor.digest),
            isHeld(subjectOf(manifest)),
            'referrers with their subject'
          )
        }
        assert.ok(meter.most.manifests <= wanted.length + places)
      }
    ),
    { numRuns: 100 }
  )
})

test('the manifests of an index come side by side, and so do the lists of their referrers', async () => {
  const { job, meter } = createJob((value) => Promise.resolve(value), 3)

  await copyManifest(job, digestOf(index), signal)

  assert.deepEqual(meter.most, { manifests: 4, listings: 4 })
})

test('without places one manifest comes after the other', async () => {
  const { job, meter } = createJob((value) => Promise.resolve(value), 0)

  await copyManifest(job, digestOf(index), signal)

  assert.deepEqual(meter.most, { manifests: 1, listings: 1 })
})

test('referrers are asked for while the content of their subject comes', async () => {
  const image = platforms[0]!
  const { job, manifests } = createJob((value) => Promise.resolve(value), 0)
  const asked = Promise.withResolvers<void>()
  const source: ContentSource = {
    ...job.source,
    referrers(subject, until) {
      if (subject === digestOf(image)) asked.resolve()
      return job.source.referrers(subject, until)
    }
  }
  const target: ContentTarget = {
    ...job.target,
    async putBlob(...blob) {
      await asked.promise
      await job.target.putBlob(...blob)
    }
  }

  await copyManifest({ ...job, source, target }, digestOf(image), signal)

  assert.ok(manifests.has(digestOf(signatures[0]!)))
})

test('a copy that fails leaves no question behind', async () => {
  const { job } = createJob((value) => Promise.resolve(value), 0)
  let ended = false
  const source: ContentSource = {
    ...job.source,
    referrers: (_, until) =>
      once(until, 'abort').then(() => {
        ended = true
        throw until.reason
      })
  }
  const target: ContentTarget = { ...job.target, putBlob: () => Promise.reject(new Error('full')) }

  await assert.rejects(copyManifest({ ...job, source, target }, digestOf(platforms[0]!), signal), /full/)

  assert.ok(ended)
})

test('images for which there is no memory at once come one after the other', async () => {
  const configs = new Set(platforms.map(({ manifest }) => parseManifest(manifest.bytes).config?.digest))
  const { job, manifests } = createJob((value) => Promise.resolve(value), 0, createManifestMemory(1))
  let [underWay, most] = [0, 0]
  const target: ContentTarget = {
    ...job.target,
    async putBlob(...blob) {
      if (configs.has(blob[0].digest)) most = Math.max(most, ++underWay)
      await new Promise(setImmediate)
      await job.target.putBlob(...blob)
      if (configs.has(blob[0].digest)) underWay--
    }
  }

  await Promise.all(platforms.map((image) => copyManifest({ ...job, target }, digestOf(image), signal)))

  assert.ok(platforms.every((image) => manifests.has(digestOf(image))))
  assert.equal(most, 1)
})

test('a manifest below another one for which there is no memory fails for now', async () => {
  const memory = createManifestMemory()
  const { job, manifests } = createJob((value) => Promise.resolve(value), 0, memory)
  const release = memory.nested.holdFree(Number.POSITIVE_INFINITY)

  await assert.rejects(
    copyManifest(job, digestOf(index), signal),
    (error) => error instanceof NoRoomError && isPassing(error)
  )
  release?.()
  await copyManifest({ ...job, manifests: new Map() }, digestOf(index), signal)

  assert.ok(manifests.has(digestOf(index)))
})

test('a manifest for which there is never memory below those above it fails for good, and comes by itself', async () => {
  const outer = images[2]!
  const { byteLength } = index.manifest.bytes
  const { job, manifests } = createJob((value) => Promise.resolve(value), 0, createManifestMemory(byteLength + 1))

  await assert.rejects(
    copyManifest(job, digestOf(outer), signal),
    (error) => error instanceof NoRoomError && error.code === 'TOO_DEEP' && !isPassing(error)
  )
  await copyManifest(job, digestOf(platforms[0]!), signal)

  assert.ok(manifests.has(digestOf(platforms[0]!)))
})

test('however little memory there is, nobody waits for ever, and what failed for now comes in a later round', async () => {
  const largest = Math.max(...everything.map(({ manifest }) => manifest.bytes.byteLength))
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.shuffledSubarray(images, { minLength: 1 }),
      fc.nat(6),
      fc.integer({ min: 2 * largest, max: 3 * largest }),
      async (s, wanted, places, limit) => {
        const memory = createManifestMemory(limit)
        const { job, manifests } = createJob((value) => s.schedule(Promise.resolve(value)), places, memory)
        const round = () => {
          const fresh = { ...job, manifests: new Map(), blobs: new Map(), settled: new Set<Digest>() }
          return s.waitFor(Promise.allSettled(wanted.map((image) => copyManifest(fresh, digestOf(image), signal))))
        }

        let failures: unknown[] = ['none was tried yet']
        for (let rounds = 0; failures.length > 0; rounds++) {
          failures = (await round()).flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
          for (const error of failures) assert.ok(error instanceof NoRoomError && isPassing(error), String(error))
          assert.ok(rounds < everything.length)
        }

        for (const image of wanted) assert.ok(manifestsOf(image).every((one) => manifests.has(one.descriptor.digest)))
        assert.ok(memory.roots.holdFree(limit) && memory.nested.holdFree(limit), 'all of it was given back')
      }
    ),
    { numRuns: 15 }
  )
})
