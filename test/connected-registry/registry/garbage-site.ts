import type { TestContext } from 'node:test'
import type { Digest } from '../../../modules/connected-registry/src/protocol/digest.ts'
import {
  type CollectOptions,
  dayMs,
  defaultPolicy,
  type GarbagePolicy,
  type GarbageReport
} from '../../../modules/connected-registry/src/registry/garbage.ts'
import type { Entry } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { type BuiltImage, blobsOf, manifestsOf } from '../../fixtures/image-builder.ts'
import { type OpenOptions, type OpenRegistry, openRegistry, pushImage } from './open-registry.ts'

/** A registry with a clock and a policy in the test's hands. */
export interface GarbageSite extends OpenRegistry {
  policy: GarbagePolicy
  /** Lets days pass. */
  wait(days: number): void
  push(repository: string, image: BuiltImage, tag?: string): Promise<void>
  remove(repository: string, image: BuiltImage): Promise<boolean>
  untag(repository: string, tag: string): Promise<boolean>
  collect(options?: CollectOptions): Promise<GarbageReport>
  /** How much of an image the store still has, wherever it is linked. */
  left(image: BuiltImage): Promise<{ readonly blobs: number; readonly manifests: number }>
  holds(repository: string, image: BuiltImage): Promise<boolean>
  /** Everything in the record store but the change log, and what says when a repository changed. */
  dump(): Promise<readonly Entry[]>
}

export const origin = 'client:ci'

export async function openSite(t: TestContext, options: OpenOptions = {}): Promise<GarbageSite> {
  let nowMs = Date.parse('2026-03-01T00:00:00Z')
  const open = await openRegistry(t, { now: () => new Date(nowMs), policy: () => site.policy, ...options })
  const { registry, blobs, records } = open
  const site: GarbageSite = {
    ...open,
    policy: defaultPolicy,
    wait: (days) => {
      nowMs += days * dayMs
    },
    push: (repository, image, tag) => pushImage(open, repository, image, tag),
    remove: (repository, image) => registry.manifests.remove(repository, image.manifest.descriptor.digest, { origin }),
    untag: (repository, tag) => registry.tags.remove(repository, tag, { origin }),
    collect: (collecting) => registry.garbage.collect(collecting),
    async left(image) {
      const stats = await Promise.all([...blobsOf(image).keys()].map((digest) => blobs.stat(digest)))
      const bytes = await Promise.all(manifestsOf(image).map(({ descriptor }) => bytesOf(descriptor.digest)))
      return { blobs: stats.filter(Boolean).length, manifests: bytes.filter(Boolean).length }
    },
    async holds(repository, image) {
      const { digest } = image.manifest.descriptor
      return (await registry.manifests.stat(repository, { kind: 'digest', digest })) !== undefined
    },
    async dump() {
      const all = await records.list('', { limit: 1_000_000 })
      return all.filter(([key]) => !/^(change|log|updated|collected|repository|garbage):/.test(key))
    }
  }

  async function bytesOf(digest: Digest): Promise<boolean> {
    return (await records.get(`manifest:${digest}`)) !== undefined
  }

  return site
}

export const nothing = { blobs: 0, manifests: 0 }
