import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fsck } from '../../modules/connected-registry/src/integrity/fsck.ts'
import { aProcess } from '../connected-registry/module-under-test.ts'
import { client, clientToken } from '../connected-registry/running-app.ts'
import { temporaryFolder } from '../connected-registry/storage/temporary-folder.ts'
import { startForeignRegistry } from '../fixtures/foreign-registry.ts'
import { anImage, anIndex, aReferrer, type BuiltImage } from '../fixtures/image-builder.ts'
import { freePorts } from '../fixtures/ports.ts'
import { basicAuthorization, pushImage } from '../fixtures/push-image.ts'
import { requireTool } from '../fixtures/tools.ts'
import type { ModuleProcess } from '../simulators/module-process.ts'
import { connectionString } from '../simulators/world.ts'

const user = { name: 'siteregistry', password: 'foreign-password' }
const repositories = Array.from({ length: 10 }, (_, each) => `plant/line-${each}`)
const imagesEach = 30

/** A registry as its clients see it. */
interface Side {
  readonly url: string
  readonly authorization: string
}

type Listing = ReadonlyMap<string, string>

test('300 images of docker-registry, with moves and deletes on both sides, end in agreement', async (t) => {
  if (!requireTool(t, 'docker-registry')) return
  const world = await openWorld(t)
  const { above, here, round } = world

  const first = await round()
  assert.equal(first.result, 'Succeeded')
  await assertAgreement(above, here, repositories.length * imagesEach)

  await changeAbove(above)
  await changeHere(here)
  const second = await round()
  const third = await round()

  const after = await assertAgreement(above, here, undefined)
  assertChanges(after)
  assert.deepEqual([third.artifacts, third.removed], [0, 0], 'a round more finds nothing to do')
  t.diagnostic(`first: ${figures(first)}`)
  t.diagnostic(`second: ${figures(second)}`)
  await world.stop()
  assert.deepEqual((await fsck(world.dataVolume, { content: true })).problems, [])
})

async function openWorld(t: TestContext) {
  const foreign = await startForeignRegistry({ htpasswd: user, delete: true })
  t.after(() => foreign.stop())
  const above = { url: foreign.url, authorization: basicAuthorization(user.name, user.password) }
  for (const repository of repositories) {
    for (let each = 0; each < imagesEach; each++)
      await push(above, repository, anImageOf(repository, each), tagOf(each))
  }
  const folder = await temporaryFolder()
  const settings = join(folder, 'settings.json')
  const rights = ['content/read', 'content/write', 'content/delete', 'metadata/read', 'metadata/write']
  const actions = rights.map((right) => `repositories/*/${right}`)
  const document = {
    repositories,
    mode: 'ReadWrite',
    logLevel: 'Debug',
    clientTokens: [await clientToken({ actions })]
  }
  await writeFile(settings, JSON.stringify(document))
  const [port] = await freePorts(1)
  const dataVolume = join(folder, 'data')
  const { module } = await aProcess(t, {
    ACR_REGISTRY_DATA_VOLUME: dataVolume,
    ACR_REGISTRY_SETTINGS: settings,
    ACR_REGISTRY_PORT: String(port),
    ACR_REGISTRY_CONNECTION_STRING: connectionString(user, foreign.host)
  })
  const here = { url: `http://127.0.0.1:${port}`, authorization: basicAuthorization(client.name, client.password) }
  return { above, here, dataVolume, round: () => nextRound(module, t.signal), stop: () => module.stop() }
}

/** Every start begins with a round. */
async function nextRound(module: ModuleProcess, signal: AbortSignal) {
  const known = new Set(module.lines)
  await module.restart()
  const line = await module.line((each) => each.msg === 'iteration ended' && !known.has(each), signal)
  return line as unknown as Figures
}

interface Figures {
  readonly result: string
  readonly artifacts: number
  readonly bytes: number
  readonly removed: number
  readonly sent: { readonly artifacts: number; readonly bytes: number }
}

function figures({ result, artifacts, bytes, removed, sent }: Figures): string {
  return JSON.stringify({ result, artifacts, bytes, removed, sent })
}

const tagOf = (each: number) => `1.${each}`

/** Some are indexes, some share layers, all differ. */
function anImageOf(repository: string, each: number): BuiltImage {
  const image = anImage({ seed: `${repository} ${each}`, layers: 1 + (each % 3), layerSize: 4096 })
  return each % 5 === 0 ? anIndex([image, anImage({ seed: `shared ${each}`, layerSize: 4096 })]) : image
}

async function push({ url, authorization }: Side, repository: string, image: BuiltImage, tag?: string): Promise<void> {
  await pushImage(image, { url, repository, tag, authorization })
}

/** Each repository: a tag moves, another one goes with its manifest, and one comes with a signature. */
async function changeAbove(above: Side): Promise<void> {
  for (const repository of repositories) {
    await push(above, repository, anImageOf(repository, 1), tagOf(2))
    await removeManifest(above, repository, anImageOf(repository, 3))
    const image = anImage({ seed: `${repository} above` })
    await push(above, repository, image, 'from-above')
    const signature = aReferrer(image, { artifactType: 'application/vnd.example.signature' })
    await push(above, repository, signature)
    await push(above, repository, anIndex([signature]), image.manifest.descriptor.digest.replace(':', '-'))
  }
}

/** Each repository: other tags move, go and come; and one of those that move above moves here too, to something else. */
async function changeHere(here: Side): Promise<void> {
  for (const repository of repositories) {
    await push(here, repository, anImageOf(repository, 6), tagOf(7))
    await removeManifest(here, repository, anImageOf(repository, 8))
    await push(here, repository, anImage({ seed: `${repository} here` }), 'from-here')
  }
  await push(here, repositories[0]!, anImage({ seed: 'conflict' }), tagOf(2))
}

async function removeManifest({ url, authorization }: Side, repository: string, image: BuiltImage): Promise<void> {
  const path = `/v2/${repository}/manifests/${image.manifest.descriptor.digest}`
  const answer = await fetch(new URL(path, url), { method: 'DELETE', headers: { authorization } })
  assert.equal(answer.status, 202, await answer.text())
}

/** `repository:tag` -> digest. */
async function listing({ url, authorization }: Side): Promise<Listing> {
  const found = new Map<string, string>()
  for (const repository of repositories) {
    const list = await fetch(new URL(`/v2/${repository}/tags/list?n=1000`, url), { headers: { authorization } })
    const { tags } = (await list.json()) as { tags: readonly string[] }
    for (const tag of tags) {
      const accept = 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json'
      const target = new URL(`/v2/${repository}/manifests/${tag}`, url)
      const head = await fetch(target, { method: 'HEAD', headers: { authorization, accept } })
      // docker-registry goes on listing a tag whose manifest was deleted.
      if (head.status === 200) found.set(`${repository}:${tag}`, head.headers.get('docker-content-digest') ?? '')
    }
  }
  return found
}

async function assertAgreement(above: Side, here: Side, count: number | undefined): Promise<Listing> {
  const [listedAbove, listedHere] = [await listing(above), await listing(here)]
  assert.deepEqual(listedHere, listedAbove)
  if (count !== undefined) assert.equal(listedHere.size, count)
  return listedHere
}

/** What each side did is there on both. */
function assertChanges(after: Listing): void {
  const digestOf = (image: BuiltImage) => image.manifest.descriptor.digest
  for (const repository of repositories) {
    assert.equal(after.get(`${repository}:${tagOf(2)}`), digestOf(anImageOf(repository, 1)), 'the parent wins')
    assert.equal(after.get(`${repository}:${tagOf(3)}`), undefined)
    assert.equal(after.get(`${repository}:${tagOf(7)}`), digestOf(anImageOf(repository, 6)))
    assert.equal(after.get(`${repository}:${tagOf(8)}`), undefined)
    assert.ok(after.has(`${repository}:from-above`) && after.has(`${repository}:from-here`))
  }
  const kept = [...after].filter(([name]) => name.includes('-conflict-'))
  assert.deepEqual(
    kept.map(([, digest]) => digest),
    [digestOf(anImage({ seed: 'conflict' }))]
  )
}
