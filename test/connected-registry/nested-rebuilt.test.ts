import assert from 'node:assert/strict'
import { cp, rm } from 'node:fs/promises'
import { test } from 'node:test'
import { fsck } from '../../modules/connected-registry/src/integrity/fsck.ts'
import { anImage } from '../fixtures/image-builder.ts'
import { aClient, below, childEntry, type Layer, openLayer } from './layers.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'

const repository = 'plant/a'
const site = { name: 'layer-4', password: 'four=password/+' }

test('what was brought below goes up again to a parent that was rebuilt empty, unless it was removed or moved since', async (t) => {
  const children = [await childEntry(site, { mode: 'ReadWrite' })]
  const clientTokens = [await aClient()]
  const settings = { mode: 'ReadWrite', repositories: [repository, 'plant/b'], clientTokens, children }
  const upper = await openLayer(t, { settings })
  await upper.push(repository, anImage({ seed: 'base' }), 'base')
  const lower = await openLayer(t, { settings: below(upper.host, site) })
  await lower.line(({ following }) => following === true)
  const shows = (layer: Layer, tag: string, digest: string | undefined) =>
    layer.until(async () => (await layer.tag(repository, tag)) === digest)
  const push = async (layer: Layer, tag: string, seed: string) => {
    const image = anImage({ seed })
    await layer.push(repository, image, tag)
    for (const each of [upper, lower]) await shows(each, tag, image.manifest.descriptor.digest)
    return image.manifest.descriptor.digest
  }
  const kept = await push(lower, 'kept', 'kept')
  await push(lower, 'removed', 'removed')
  await push(lower, 'moved', 'moved')
  assert.equal((await lower.send('DELETE', `/acr/v1/${repository}/_tags/removed`)).status, 202)
  await shows(upper, 'removed', undefined)
  const moved = await push(upper, 'moved', 'moved above')
  await upper.stop()

  const rebuilt = await openLayer(t, { settings, port: upper.port })

  await shows(rebuilt, 'kept', kept)
  await shows(rebuilt, kept, kept)
  for (const tag of ['removed', 'moved', 'base']) assert.equal(await rebuilt.tag(repository, tag), undefined)
  assert.equal(await lower.tag(repository, 'moved'), moved)
  await lower.stop()
  assert.deepEqual((await fsck(lower.dataVolume)).problems, [])
})

test('what came since the backup to which a parent was put back is taken from nobody below, and goes up again', async (t) => {
  const children = [await childEntry(site, { mode: 'ReadWrite', repositories: [repository] })]
  const settings = { mode: 'ReadWrite', repositories: [repository], clientTokens: [await aClient()], children }
  const before = await openLayer(t, { settings })
  const { dataVolume, port } = before
  // Enough that the parent is not doubted for the little that it shows.
  for (const tag of ['1.0', '1.1', '1.2']) await before.push(repository, anImage({ seed: tag }), tag)
  await before.stop()
  const backup = await temporaryFolder()
  await cp(dataVolume, backup, { recursive: true })
  const upper = await openLayer(t, { settings, dataVolume, port })
  const lower = await openLayer(t, { settings: below(upper.host, site) })
  await lower.line(({ following }) => following === true)
  const push = async (from: Layer, to: Layer, tag: string) => {
    const image = anImage({ seed: tag })
    const { digest } = image.manifest.descriptor
    await from.push(repository, image, tag)
    await to.until(async () => (await to.tag(repository, tag)) === digest)
    return digest
  }
  const kept = await push(lower, upper, 'kept')
  const above = await push(upper, lower, 'above')
  await lower.stop()
  await upper.stop()
  await rm(dataVolume, { recursive: true })
  await cp(backup, dataVolume, { recursive: true })

  const restored = await openLayer(t, { settings, dataVolume, port })
  const again = await openLayer(t, { settings: lower.settings, dataVolume: lower.dataVolume })
  await restored.until(async () => (await restored.tag(repository, 'kept')) === kept)

  assert.equal(await again.tag(repository, 'kept'), kept)
  assert.equal(await again.tag(repository, 'above'), above)
})
