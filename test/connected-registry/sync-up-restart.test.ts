import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { fsck } from '../../modules/connected-registry/src/integrity/fsck.ts'
import { anImage, blobsOf } from '../fixtures/image-builder.ts'
import { passwordHash } from '../fixtures/password-hash.ts'
import { basicAuthorization, pushImage } from '../fixtures/push-image.ts'
import type { RequestMatcher } from '../simulators/cloud-registry/faults.ts'
import { createModuleProcess } from '../simulators/module-process.ts'
import { connectionString } from '../simulators/world.ts'
import { openCloud, syncToken, writeRights } from './sync/parents.ts'

const main = new URL('../../modules/connected-registry/src/main.ts', import.meta.url)
const authorization = basicAuthorization('writer', 'secret')
const repository = 'plant/app'

/** The module as a process of its own, in ReadWrite mode, below a parent that its token may write to. */
async function startModule(t: TestContext, loginServer: string) {
  const folder = await mkdtemp(join(tmpdir(), 'sync-up-'))
  const settings = join(folder, 'settings.json')
  const dataVolume = join(folder, 'data')
  const actions = ['read', 'write', 'delete'].map((verb) => `repositories/*/content/${verb}`)
  const clientTokens = [{ name: 'writer', passwords: [{ hash: passwordHash('secret') }], actions }]
  const parent = connectionString(syncToken, loginServer)
  const written = { connectionString: parent, mode: 'ReadWrite', repositories: [repository], clientTokens }
  await writeFile(settings, JSON.stringify(written))
  const environment = {
    ACR_REGISTRY_DATA_VOLUME: dataVolume,
    ACR_REGISTRY_SETTINGS: settings,
    ACR_REGISTRY_HOST: '127.0.0.1',
    ACR_REGISTRY_PORT: '0'
  }
  const module = createModuleProcess({ name: 'connected-registry', main, environment, ready: 'registry started' })
  t.after(async () => {
    await module.stop('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  })
  await module.start()
  const url = () => `http://127.0.0.1:${module.lines.findLast(({ msg }) => msg === 'registry started')?.port}`
  return { module, url, dataVolume }
}

/** Where the parent is when the process is killed, one after the other. */
const moments: readonly RequestMatcher[] = [
  { method: 'POST', route: 'upload' },
  { method: 'PATCH', route: 'upload' },
  { method: 'PUT', route: 'upload' },
  { method: 'PUT', path: /manifests\/sha256/ },
  { method: 'PUT', path: /manifests\/1\.0$/ }
]

test('killed again and again amid a push to its parent, it repeats little and loses nothing', async (t) => {
  const { cloud } = await openCloud(t, 'acr', [repository], { rights: writeRights })
  cloud.contents.put(repository, anImage({ seed: 'there before' }), 'before')
  const image = anImage({ seed: 'large', layers: 1, layerSize: 20_000_000 })
  const { module, url, dataVolume } = await startModule(t, cloud.loginServer)
  await pushImage(image, { url: url(), repository, tag: '1.0', authorization })
  await module.stop('SIGKILL')

  for (const moment of moments) {
    const reached = cloud.nextRequest(moment, t.signal)
    // A start begins with a round.
    await module.start()
    await reached
    await module.stop('SIGKILL')
  }
  await module.start()
  // A round that finds everything there tells nothing; so it is asked of the process itself.
  await settled(url(), AbortSignal.any([t.signal, AbortSignal.timeout(60_000)]))
  await module.stop('SIGTERM')

  assert.equal(cloud.contents.repository(repository)?.tags.get('1.0')?.digest, image.manifest.descriptor.digest)
  for (const [digest, bytes] of blobsOf(image)) {
    assert.ok(Buffer.from(cloud.contents.blob(repository, digest)!).equals(bytes), `${digest} is whole above`)
  }
  const chunks = cloud.requests.filter(({ method }) => method === 'PATCH').length
  assert.ok(chunks <= 3 + moments.length, `${chunks} chunks went up for 3`)
  assert.deepEqual((await fsck(dataVolume)).problems, [])
})

interface Status {
  readonly sync: { readonly pending: { readonly up?: { readonly references: number } }; readonly lastSuccess?: string }
}

/** Asks until nothing is to go up any more. */
async function settled(url: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    const answer = await fetch(`${url}/status`, { headers: { authorization }, signal })
    const { sync } = (await answer.json()) as Status
    if (sync.lastSuccess !== undefined && sync.pending.up?.references === 0) return
    await turn()
  }
}
