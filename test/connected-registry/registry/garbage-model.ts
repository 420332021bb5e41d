import assert from 'node:assert/strict'
import type { Digest } from '../../../modules/connected-registry/src/protocol/digest.ts'
import type { Registry } from '../../../modules/connected-registry/src/registry/registry.ts'
import type { BlobStore } from '../../../modules/connected-registry/src/storage/blob-store.ts'
import type { RecordStore } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { byDigest, imageOf, images, repositories } from './garbage-world.ts'

export interface Opened {
  readonly registry: Registry
  readonly blobs: BlobStore
  readonly records: RecordStore
}

const page = { limit: 100_000 }

/** Everything that tags lead to is here, whatever happened; `lacking`: manifests that somebody removed from under an index. */
export async function assertReachable(open: Opened, lacking: ReadonlySet<Digest>): Promise<void> {
  for (const repository of repositories) {
    for (const digest of await reachable(open, repository)) {
      if (await open.registry.manifests.stat(repository, { kind: 'digest', digest })) {
        assert.ok(await open.records.get(`manifest:${digest}`), `bytes of ${digest}`)
        for (const blob of imageOf.get(digest)!.blobs.keys()) await assertBlob(open, repository, blob)
      } else assert.ok(lacking.has(digest), `${repository}@${digest} is gone`)
    }
    // Also what no tag leads to: a link is never without its content.
    for (const link of await linksOf(open.records, repository)) {
      if (!byDigest.has(link)) await assertBlob(open, repository, link)
    }
  }
}

async function assertBlob({ registry, blobs }: Opened, repository: string, digest: Digest): Promise<void> {
  assert.ok(await registry.blobs.stat(repository, digest), `${repository}@${digest} is not linked`)
  assert.ok(await blobs.stat(digest), `the content of ${digest} is gone`)
}

/** Tags, what indexes among them name, and what refers to any of it. */
async function reachable({ registry, records }: Opened, repository: string): Promise<ReadonlySet<Digest>> {
  const found = new Set<Digest>()
  for (const tag of await registry.tags.list(repository, page)) {
    follow((await registry.tags.get(repository, tag))!.digest, found)
  }
  const links = await linksOf(records, repository)
  const [subject, , , , signature] = images.map(({ manifest }) => manifest.descriptor.digest)
  const isSigned = found.has(subject!) && links.includes(subject!) && links.includes(signature!)
  if (isSigned) found.add(signature!)
  return found
}

function follow(digest: Digest, found: Set<Digest>): void {
  found.add(digest)
  for (const child of imageOf.get(digest)?.children ?? []) follow(child.manifest.descriptor.digest, found)
}

async function linksOf(records: RecordStore, repository: string): Promise<readonly Digest[]> {
  const links = await records.list(`link:${repository}:`, page)
  return links.map(([key]) => key.slice(`link:${repository}:`.length) as Digest)
}

/** Nothing but what is reachable is here: no link, no content, no bytes, and no note of the collector's. */
export async function assertNothingElse(open: Opened): Promise<void> {
  const { records, blobs } = open
  const expected = {
    link: new Set<string>(),
    holder: new Set<string>(),
    use: new Set<string>(),
    manifest: new Set<string>()
  }
  const content = new Set<Digest>()
  for (const repository of repositories) {
    const links = await linksOf(records, repository)
    for (const digest of await reachable(open, repository)) {
      const named = imageOf.get(digest)!.children.map(({ manifest }) => manifest.descriptor.digest)
      // A manifest that was removed from under its index: what would hold its blobs is gone with it.
      if (!links.includes(digest)) continue
      expected.manifest.add(`manifest:${digest}`)
      for (const one of [digest, ...imageOf.get(digest)!.blobs.keys()]) {
        expected.link.add(`link:${repository}:${one}`)
        expected.holder.add(`holder:${one}:${repository}`)
        if (one !== digest) content.add(one)
      }
      for (const one of [...named, ...imageOf.get(digest)!.blobs.keys()])
        expected.use.add(`use:${repository}:${one}:${digest}`)
    }
  }
  for (const [kind, keys] of Object.entries(expected)) assert.deepEqual(await keysOf(records, `${kind}:`), sorted(keys))
  for (const prefix of ['review:link:', 'review:content:']) assert.deepEqual(await keysOf(records, prefix), [])
  const stored: Digest[] = []
  for await (const digest of blobs.list()) stored.push(digest)
  assert.deepEqual(stored.sort(), sorted(content))
  await assertTagged(open)
}

async function assertTagged({ registry, records }: Opened): Promise<void> {
  const expected: string[] = []
  for (const repository of repositories) {
    for (const tag of await registry.tags.list(repository, page)) {
      expected.push(`tagged:${repository}:${(await registry.tags.get(repository, tag))!.digest}:${tag}`)
    }
  }
  assert.deepEqual(await keysOf(records, 'tagged:'), expected.sort())
}

async function keysOf(records: RecordStore, prefix: string): Promise<readonly string[]> {
  return (await records.list(prefix, page)).map(([key]) => key).sort()
}

function sorted(keys: Iterable<string>): readonly string[] {
  return [...keys].sort()
}
