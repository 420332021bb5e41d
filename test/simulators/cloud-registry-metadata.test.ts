import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fillCloud } from '../fixtures/fill-cloud.ts'
import { anImage } from '../fixtures/image-builder.ts'
import { aClient, aCloud, admin, jsonOf } from './cloud-client.ts'

const scope = 'repository:demo/app:pull,delete,metadata_read'

test('a repository tells its counts and times, and 404 NAME_UNKNOWN where there is none', async (t) => {
  const cloud = await aCloud(t, { now: () => Date.parse('2024-01-01') })
  fillCloud(cloud.contents, { largeSize: 0 })

  const attributes = await jsonOf(await aClient(cloud, admin, scope)('/acr/v1/demo/app'))
  const unknown = await aClient(cloud, admin, 'repository:demo/no:metadata_read')('/acr/v1/demo/no')

  assert.deepEqual([attributes.registry, attributes.imageName], [cloud.loginServer, 'demo/app'])
  assert.deepEqual([attributes.manifestCount, attributes.tagCount], [4, 1])
  assert.match(attributes.lastUpdateTime, /^2024-01-01T00:00:00\.\d{7}Z$/)
  assert.equal(unknown.status, 404)
  assert.match(await unknown.text(), /NAME_UNKNOWN/)
})

test('tags come newest first, oldest first or by name, in pages', async (t) => {
  const cloud = await aCloud(t, { now: () => 0 })
  for (const tag of ['b', 'c', 'a']) cloud.contents.put('demo/app', anImage({ seed: tag }), tag)
  cloud.contents.put('demo/app', anImage({ seed: 'moved' }), 'b')
  const client = aClient(cloud, admin, scope)
  const listed = async (query: string) => {
    const names: string[] = []
    let next: string | undefined = `/acr/v1/demo/app/_tags?n=2&${query}`
    while (next) {
      const answer: Response = await client(next)
      names.push(...(await jsonOf(answer)).tags.map(({ name }: { name: string }) => name))
      next = answer.headers.get('link')?.slice(1).split('>')[0]
    }
    return names.join('')
  }

  assert.equal(await listed('orderby=timedesc'), 'bac')
  assert.equal(await listed('orderby=timeasc'), 'cab')
  assert.equal(await listed('orderby=none'), 'abc')
  assert.equal(await listed(''), 'abc')
})

test('every change has a later time than the one before, and a removal none', async (t) => {
  const cloud = await aCloud(t, { now: () => 0 })
  const time = () => cloud.contents.repository('demo/app')!.lastUpdateTime
  const image = anImage()
  cloud.contents.put('demo/app', image, 'a')
  const times = [time()]

  for (const tag of ['b', 'b', 'c']) {
    cloud.contents.tag('demo/app', tag, image.manifest.descriptor.digest)
    times.push(time())
  }
  cloud.contents.untag('demo/app', 'c')

  assert.deepEqual(times, times.toSorted())
  assert.equal(new Set(times).size, 4)
  assert.equal(time(), times.at(-1))
})

test('manifests are listed with their platform, size, tags and children', async (t) => {
  const cloud = await aCloud(t)
  const { app } = fillCloud(cloud.contents, { largeSize: 0 })

  const { manifests } = await jsonOf(await aClient(cloud, admin, scope)('/acr/v1/demo/app/_manifests'))

  const find = (digest: string) => manifests.find((each: { digest: string }) => each.digest === digest)
  const [, arm] = app.children
  assert.equal(manifests.length, 4)
  assert.deepEqual(find(app.manifest.descriptor.digest).tags, ['1.0'])
  assert.equal(find(app.manifest.descriptor.digest).references[1].digest, arm!.manifest.descriptor.digest)
  assert.equal(find(arm!.manifest.descriptor.digest).architecture, 'arm64')
  const sizes = [...arm!.blobs.values()].reduce((sum, { length }) => sum + length, 0)
  assert.equal(find(arm!.manifest.descriptor.digest).imageSize, sizes)
})

test('a tag is taken away by the metadata API alone, and its manifest stays', async (t) => {
  const cloud = await aCloud(t)
  const { app } = fillCloud(cloud.contents, { largeSize: 0 })
  const client = aClient(cloud, admin, scope)
  const { digest } = app.manifest.descriptor

  assert.equal((await client('/v2/demo/app/manifests/1.0', { method: 'DELETE' })).status, 405)
  assert.equal((await client('/acr/v1/demo/app/_tags/1.0', { method: 'DELETE' })).status, 202)
  assert.equal((await client('/acr/v1/demo/app/_tags/1.0', { method: 'DELETE' })).status, 404)
  assert.equal((await client(`/v2/demo/app/manifests/${digest}`)).status, 200)
})

test('a deleted manifest takes its tags and its referrers with it', async (t) => {
  const cloud = await aCloud(t)
  const { app, sbom } = fillCloud(cloud.contents, { largeSize: 0 })
  const client = aClient(cloud, admin, scope)

  const answer = await client(`/v2/demo/app/manifests/${app.manifest.descriptor.digest}`, { method: 'DELETE' })

  assert.equal(answer.status, 202)
  assert.equal((await client('/v2/demo/app/manifests/1.0')).status, 404)
  assert.equal((await client(`/v2/demo/app/manifests/${sbom.manifest.descriptor.digest}`)).status, 404)
  assert.equal((await client(`/v2/demo/app/manifests/${app.children[0]!.manifest.descriptor.digest}`)).status, 200)
})

test('a repository is deleted with all it holds', async (t) => {
  const cloud = await aCloud(t)
  fillCloud(cloud.contents, { largeSize: 0 })
  const client = aClient(cloud, admin, scope)

  assert.equal((await client('/acr/v1/demo/app', { method: 'DELETE' })).status, 202)
  assert.equal((await client('/acr/v1/demo/app')).status, 404)
  assert.deepEqual(cloud.contents.repositories(), ['hello-world'])
})
