import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anImage, anIndex, aReferrer, type BuiltImage } from '../../fixtures/image-builder.ts'
import { openParent, type ParentKind, parentKinds, type TestParent } from './parents.ts'
import { openSite } from './site.ts'

const repository = 'plant/app'
const aTwoPlatformImage = (seed: string) =>
  anIndex(
    ['amd64', 'arm64'].map((architecture) =>
      anImage({ seed: seed + architecture, platform: { os: 'linux', architecture } })
    )
  )

for (const kind of parentKinds) {
  test(`${kind}: an index arrives with all its platforms, their layers and its referrer`, async (t) => {
    const parent = await openParent(t, kind, [repository])
    if (!parent) return
    const image = aTwoPlatformImage('first')
    const signature = aReferrer(image, { artifactType: 'application/vnd.example.signature' })
    await parent.put(repository, image, '1.0')
    await attach(parent, kind, image, signature)
    const site = await openSite(t, parent.connection, [repository])

    const summary = await site.sync()

    assert.equal(summary.result, 'Succeeded')
    assert.equal(await site.tag(repository, '1.0'), image.manifest.descriptor.digest)
    for (const child of image.children) {
      const { digest } = child.manifest.descriptor
      const here = await site.registry.manifests.get(repository, { kind: 'digest', digest })
      assert.deepEqual(Buffer.from(here!.bytes), child.manifest.bytes)
      for (const [blob, bytes] of child.blobs)
        assert.equal((await site.registry.blobs.stat(repository, blob))?.size, bytes.length)
    }
    const referrers = await site.registry.referrers.list(repository, image.manifest.descriptor.digest)
    assert.deepEqual(
      referrers.map(({ digest }) => digest),
      [signature.manifest.descriptor.digest]
    )
  })

  test(`${kind}: a second round plans nothing and transfers nothing`, async (t) => {
    const parent = await openParent(t, kind, [repository])
    if (!parent) return
    await parent.put(repository, aTwoPlatformImage('first'), '1.0')
    const site = await openSite(t, parent.connection, [repository])
    await site.sync()
    const head = site.registry.changes.head()

    const { artifacts, bytes, removed } = await site.resync()

    assert.deepEqual({ artifacts, bytes, removed }, { artifacts: 0, bytes: 0, removed: 0 })
    assert.equal(site.registry.changes.head(), head)
  })

  test(`${kind}: a tag that moved above moves here, and its old manifest stays for who pinned it`, async (t) => {
    const parent = await openParent(t, kind, [repository])
    if (!parent) return
    const [before, after] = [anImage({ seed: 'before' }), anImage({ seed: 'after' })]
    await parent.put(repository, before, 'latest')
    const site = await openSite(t, parent.connection, [repository])
    await site.sync()

    await parent.put(repository, after, 'latest')
    await site.sync()

    assert.equal(await site.tag(repository, 'latest'), after.manifest.descriptor.digest)
    assert.equal(await site.holds(repository, before.manifest.descriptor.digest), true)
  })

  test(`${kind}: a manifest deleted above takes its tag along here, within two rounds`, async (t) => {
    const parent = await openParent(t, kind, [repository])
    if (!parent) return
    const [kept, gone] = [anImage({ seed: 'kept' }), anImage({ seed: 'gone' })]
    await parent.put(repository, kept, 'kept')
    await parent.put(repository, gone, 'gone')
    const site = await openSite(t, parent.connection, [repository])
    await site.sync()

    await parent.remove(repository, gone.manifest.descriptor.digest)
    await site.sync()
    await site.sync()

    assert.equal(await site.tag(repository, 'gone'), undefined)
    assert.equal(await site.tag(repository, 'kept'), kept.manifest.descriptor.digest)
  })

  test(`${kind}: a parent that lost its store empties no site, however often it says so`, async (t) => {
    const parent = await openParent(t, kind, [repository])
    if (!parent) return
    const image = anImage({ seed: 'precious' })
    await parent.put(repository, image, '1.0')
    const site = await openSite(t, parent.connection, [repository])
    await site.sync()

    await parent.loseStore()
    const rounds = [await site.sync(), await site.sync(), await site.resync()]

    assert.deepEqual(
      rounds.map(({ removed }) => removed),
      [0, 0, 0]
    )
    assert.equal(await site.tag(repository, '1.0'), image.manifest.descriptor.digest)
    assert.deepEqual(site.codes(), ['NAME_UNKNOWN'])
  })

  test(`${kind}: a referrer attached later to a subject already here arrives`, async (t) => {
    const parent = await openParent(t, kind, [repository])
    if (!parent) return
    const image = anImage({ seed: 'signed later' })
    await parent.put(repository, image, '1.0')
    const site = await openSite(t, parent.connection, [repository])
    await site.sync()

    const signature = aReferrer(image, { artifactType: 'application/vnd.example.signature' })
    await attach(parent, kind, image, signature)
    await site.resync()

    const referrers = await site.registry.referrers.list(repository, image.manifest.descriptor.digest)
    assert.deepEqual(
      referrers.map(({ artifactType }) => artifactType),
      ['application/vnd.example.signature']
    )
  })

  test(`${kind}: what leaves the scope goes, what joins it comes`, async (t) => {
    const parent = await openParent(t, kind, [repository, 'plant/other'])
    if (!parent) return
    const image = anImage()
    await parent.put(repository, image, '1.0')
    await parent.put('plant/other', image, '2.0')
    const site = await openSite(t, parent.connection, [repository])
    await site.sync()

    await site.scope(['plant/other'])
    const { bytes } = await site.sync()

    assert.equal(await site.registry.repositories.has(repository), false)
    assert.equal(await site.tag('plant/other', '2.0'), image.manifest.descriptor.digest)
    assert.equal(bytes, 0, 'what the store holds under any repository is not fetched again')
  })
}

for (const kind of ['acr', 'plain'] as const)
  test(`${kind}: an untag above untags here and keeps the manifest`, async (t) => {
    const parent = await openParent(t, kind, [repository])
    const image = anImage()
    await parent?.put(repository, image, '1.0')
    await parent?.put(repository, image, '1.0.1')
    await parent?.put(repository, image, 'latest')
    const site = await openSite(t, parent!.connection, [repository])
    await site.sync()

    await parent?.untag?.(repository, '1.0.1')
    await site.sync()

    assert.equal(await site.tag(repository, '1.0.1'), undefined)
    assert.equal(await site.tag(repository, 'latest'), image.manifest.descriptor.digest)
    assert.equal(await site.holds(repository, image.manifest.descriptor.digest), true)
  })

/** As clients do it: on a registry without the referrers API by an index under a tag of the subject's digest. */
async function attach(parent: TestParent, kind: ParentKind, subject: BuiltImage, referrer: BuiltImage): Promise<void> {
  if (kind !== 'docker-registry') return parent.put(repository, referrer)
  // distribution-spec, "Referrers Tag Schema"
  await parent.put(repository, anIndex([referrer]), subject.manifest.descriptor.digest.replace(':', '-'))
}
