import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePlatform } from '../../../modules/connected-registry/src/sync/platforms.ts'
import { rulesFor, type ScopeRules } from '../../../modules/connected-registry/src/sync/scope-rules.ts'
import { anImage, anIndex, aReferrer, type BuiltImage } from '../../fixtures/image-builder.ts'
import { openCloud, openParent, parentKinds, writeRights } from './parents.ts'
import { openSite } from './site.ts'

const name = 'plant/a'
const digestOf = (image: BuiltImage) => image.manifest.descriptor.digest
const companionTag = (image: BuiltImage, suffix = '') => digestOf(image).replace(':', '-') + suffix
const images = ['1.0.0', '1.1.0', '2.0.0', 'latest'].map((tag) => [tag, anImage({ seed: tag })] as const)
const arm64 = anImage({ seed: 'arm', platform: { os: 'linux', architecture: 'arm64' } })
const amd64 = anImage({ seed: 'amd', platform: { os: 'linux', architecture: 'amd64' } })
const index = anIndex([amd64, arm64])
const onlyArm: ScopeRules = { platforms: [parsePlatform('linux/arm64')!] }
const versionOne: ScopeRules = { tags: { semver: '1' } }

for (const kind of parentKinds)
  test(`${kind}: only the tags that the rules want come, with their layers only`, async (t) => {
    const parent = await openParent(t, kind, [name])
    if (!parent) return
    for (const [tag, image] of images) await parent.put(name, image, tag)
    const site = await openSite(t, parent.connection, [[name, versionOne]])

    const { result } = await site.sync()

    assert.equal(result, 'Succeeded')
    assert.deepEqual(await site.registry.tags.list(name, { limit: 10 }), ['1.0.0', '1.1.0'])
    assert.equal(await site.holds(name, digestOf(images[2]![1])), false)
    const again = await site.sync()
    assert.deepEqual([again.artifacts, again.removed, again.result], [0, 0, 'Succeeded'])
  })

for (const kind of parentKinds)
  test(`${kind}: of an index only the wanted platforms come, and its digest stays`, async (t) => {
    const parent = await openParent(t, kind, [name])
    if (!parent) return
    await parent.put(name, index, 'latest')
    const site = await openSite(t, parent.connection, [[name, onlyArm]])

    await site.sync()

    assert.equal(await site.tag(name, 'latest'), digestOf(index))
    assert.equal(await site.holds(name, digestOf(arm64)), true)
    assert.equal(await site.holds(name, digestOf(amd64)), false)
    const again = await site.resync()
    assert.deepEqual([again.artifacts, again.removed, again.result], [0, 0, 'Succeeded'])

    await site.scope([name])
    await site.sync()
    assert.equal(await site.holds(name, digestOf(amd64)), true)
  })

for (const kind of ['acr', 'plain'] as const)
  test(`${kind}: the platforms that are wanted besides come into a ReadWrite site, too; what a client removed does not`, async (t) => {
    const { connection, cloud } = await openCloud(t, kind, [name], { rights: writeRights })
    const armBefore = anImage({ seed: 'arm', platform: { os: 'linux', architecture: 'arm', variant: 'v6' } })
    const wide = anIndex([amd64, arm64, armBefore])
    cloud.contents.put(name, wide, 'latest')
    const site = await openSite(t, connection, [[name, onlyArm]], { mode: 'ReadWrite' })
    await site.sync()

    await site.scope([[name, { platforms: ['linux/arm64', 'linux/amd64'].map((text) => parsePlatform(text)!) }]])
    await site.sync()
    assert.deepEqual(
      [await site.holds(name, digestOf(amd64)), await site.holds(name, digestOf(armBefore))],
      [true, false]
    )
    await site.registry.manifests.remove(name, digestOf(amd64), { origin: 'client:line-1' })
    const { result, artifacts } = await site.resync()

    assert.deepEqual([result, artifacts, await site.holds(name, digestOf(amd64))], ['Succeeded', 0, false])
    const again = await site.resync()
    assert.deepEqual([again.artifacts, again.removed, again.result], [0, 0, 'Succeeded'])
  })

test('a tag that leaves the rules is removed in ReadOnly mode, without a doubt in the parent', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', [name])
  for (const [tag, image] of images) cloud.contents.put(name, image, tag)
  const site = await openSite(t, connection, [name])
  await site.sync()

  await site.scope([[name, { tags: { globs: ['latest'] } }]])
  const { result, removed } = await site.sync()

  assert.deepEqual([result, removed], ['Succeeded', 3])
  assert.deepEqual(await site.registry.tags.list(name, { limit: 10 }), ['latest'])
  const dropped = digestOf(images[0]![1])
  assert.equal(await site.bases.holds(name, dropped, connection.loginServer), false, 'the collector may take it')
})

test('a tag that leaves the rules is kept in ReadWrite mode', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', [name])
  for (const [tag, image] of images) cloud.contents.put(name, image, tag)
  const site = await openSite(t, connection, [name], { mode: 'ReadWrite' })
  await site.sync()

  await site.scope([[name, { tags: { globs: ['latest'] } }]])
  cloud.contents.put(name, anImage({ seed: 'new' }), '3.0.0')
  await site.sync()

  assert.deepEqual(await site.registry.tags.list(name, { limit: 10 }), ['1.0.0', '1.1.0', '2.0.0', 'latest'])
})

test('the newest by time follow what is pushed', async (t) => {
  let now = Date.now()
  const { connection, cloud } = await openCloud(t, 'acr', [name], { now: () => now })
  for (const [tag, image] of images) {
    now += 1000
    cloud.contents.put(name, image, tag)
  }
  const site = await openSite(t, connection, [[name, { tags: { newest: 2 } }]])
  await site.sync()
  assert.deepEqual(await site.registry.tags.list(name, { limit: 10 }), ['2.0.0', 'latest'])

  now += 1000
  cloud.contents.put(name, anImage({ seed: 'newer' }), '0.9')
  await site.sync()

  assert.deepEqual(await site.registry.tags.list(name, { limit: 10 }), ['0.9', 'latest'])
})

test('the newest of a parent that tells no times are named as the problem, and nothing goes', async (t) => {
  const { connection, cloud } = await openCloud(t, 'plain', [name])
  for (const [tag, image] of images) cloud.contents.put(name, image, tag)
  const site = await openSite(t, connection, [name])
  await site.sync()

  await site.scope([[name, { tags: { newest: 2 } }]])
  await site.sync()

  assert.deepEqual(site.codes(), ['TAG_ORDER_UNKNOWN'])
  assert.equal((await site.registry.tags.list(name, { limit: 10 })).length, 4)
})

for (const kind of parentKinds)
  test(`${kind}: signatures travel with a wanted image and with what is below it, by subject and by tag`, async (t) => {
    const parent = await openParent(t, kind, [name])
    if (!parent) return
    await parent.put(name, index, '1.0.0')
    await parent.put(name, images[2]![1], '2.0.0')
    const artifact = (seed: string) => anImage({ seed, artifactType: 'application/vnd.example' })
    const wanted = [companionTag(index, '.sig'), companionTag(arm64, '.sbom'), companionTag(index, '.att')]
    for (const tag of wanted) await parent.put(name, artifact(tag), tag)
    await parent.put(name, artifact('other'), companionTag(images[2]![1], '.sig'))
    const signature = aReferrer(index, { artifactType: 'application/vnd.example.signature' })
    await parent.put(name, signature)
    if (kind === 'docker-registry') await parent.put(name, anIndex([signature]), companionTag(index))
    const site = await openSite(t, parent.connection, [[name, versionOne]])

    await site.sync()

    const expected = [...wanted, ...(kind === 'docker-registry' ? [companionTag(index)] : []), '1.0.0'].sort()
    assert.deepEqual(await site.registry.tags.list(name, { limit: 20 }), expected)
    assert.equal(await site.holds(name, digestOf(signature)), true)
    const again = await site.sync()
    assert.deepEqual([again.artifacts, again.removed, again.result], [0, 0, 'Succeeded'])
  })

test('acr: a referrer attached later to a wanted image comes in the next round', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', [name])
  for (const [tag, image] of images) cloud.contents.put(name, image, tag)
  const site = await openSite(t, connection, [[name, versionOne]])
  await site.sync()
  const [wanted, unwanted] = [images[0]![1], images[2]![1]].map((image) =>
    aReferrer(image, { artifactType: 'application/vnd.example.signature' })
  )
  cloud.contents.put(name, wanted!)
  cloud.contents.put(name, unwanted!)

  await site.sync()

  assert.equal(await site.holds(name, digestOf(wanted!)), true)
  assert.equal(await site.holds(name, digestOf(unwanted!)), false)
})

test('BuildKit attestations come with the platform they are about', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', [name])
  const unknown = { os: 'unknown', architecture: 'unknown' }
  const attestations = [arm64, amd64].map((image) => anImage({ seed: digestOf(image), platform: unknown }))
  const about = [arm64, amd64].map((image) => ({ 'vnd.docker.reference.digest': digestOf(image) }))
  const attested = anIndex([arm64, amd64, ...attestations], { childAnnotations: [undefined, undefined, ...about] })
  cloud.contents.put(name, attested, 'latest')
  const site = await openSite(t, connection, [[name, onlyArm]])

  await site.sync()

  assert.equal(await site.tag(name, 'latest'), digestOf(attested))
  assert.equal(await site.holds(name, digestOf(attestations[0]!)), true)
  assert.equal(await site.holds(name, digestOf(attestations[1]!)), false)
})

test('the entry that says most about a repository has its rules', () => {
  const entries = [
    { kind: 'all' },
    { kind: 'below', prefix: 'a/', rules: { tags: { newest: 1 } } },
    { kind: 'below', prefix: 'a/b/', rules: { tags: { newest: 2 } } },
    { kind: 'one', repository: 'a/b/c', rules: { tags: { newest: 3 } } }
  ] as const

  assert.equal(rulesFor(entries, 'x'), undefined)
  assert.equal(rulesFor(entries, 'a/x')?.tags?.newest, 1)
  assert.equal(rulesFor(entries, 'a/b/x')?.tags?.newest, 2)
  assert.equal(rulesFor(entries, 'a/b/c')?.tags?.newest, 3)
})

for (const [text, platform] of [
  ['linux/arm64', { os: 'linux', architecture: 'arm64' }],
  ['linux/arm/v7', { os: 'linux', architecture: 'arm', variant: 'v7' }],
  ['linux', undefined],
  ['linux/arm/v7/x', undefined],
  ['Linux/ARM', undefined],
  ['/', undefined]
] as const)
  test(`${text} is ${platform ? 'a' : 'no'} platform`, () => assert.deepEqual(parsePlatform(text), platform))
