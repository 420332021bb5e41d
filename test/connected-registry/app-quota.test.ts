import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { anImage, anIndex, type BuiltImage } from '../fixtures/image-builder.ts'
import { basicAuthorization, pushImage } from '../fixtures/push-image.ts'
import { client, clientToken, type RunningApp, runApp } from './running-app.ts'

const authorization = basicAuthorization(client.name, client.password)

async function aWritableApp(t: TestContext, settings: Readonly<Record<string, unknown>> = {}) {
  const verbs = ['content/read', 'content/write', 'content/delete', 'metadata/read']
  const token = await clientToken({ actions: verbs.map((verb) => `repositories/*/${verb}`) })
  const app = await runApp(t, { settings: { mode: 'ReadWrite', clientTokens: [token], ...settings } })
  const url = `http://127.0.0.1:${app.port}`
  return {
    app,
    push: (image: BuiltImage, repository: string, tag: string) =>
      pushImage(image, { url, repository, tag, authorization }),
    remove: (path: string) => fetch(`${url}${path}`, { method: 'DELETE', headers: { authorization } })
  }
}

/** The store is counted for the first time by and by. */
async function counted(app: RunningApp): Promise<void> {
  while (!(await app.status()).storage);
}

const figures = async (app: RunningApp) => {
  const { repositories, manifests, blobs } = (await app.status()).storage as unknown as Record<string, number>
  return { repositories, manifests, blobs }
}

test('the figures of the store follow what clients change at once', async (t) => {
  const { app, push, remove } = await aWritableApp(t)
  const [one, other] = [anImage({ seed: 'one' }), anImage({ seed: 'other' })]
  await counted(app)
  const before = (await app.status()).storage!.bytes

  await push(one, 'app/web', '1.0')
  assert.deepEqual(await figures(app), { repositories: 1, manifests: 1, blobs: one.blobs.size })
  await push(one, 'app/api', '1.0')
  await push(other, 'app/api', '2.0')
  const blobs = new Set([...one.blobs.keys(), ...other.blobs.keys()]).size
  assert.deepEqual(await figures(app), { repositories: 2, manifests: 3, blobs })
  const sizes = [...new Map([...one.blobs, ...other.blobs]).values(), one.manifest.bytes, other.manifest.bytes]
  assert.equal(
    (await app.status()).storage!.bytes - before,
    sizes.reduce((sum, { length }) => sum + length, 0)
  )

  await remove(`/v2/app/api/manifests/${one.manifest.descriptor.digest}`)
  assert.deepEqual(await figures(app), { repositories: 2, manifests: 2, blobs })
  await remove('/acr/v1/app/api')
  assert.deepEqual(await figures(app), { repositories: 1, manifests: 1, blobs })
})

test('manifests count towards the quota; where it is used up none comes in, and pulls and deletes go on', async (t) => {
  const { app, push, remove } = await aWritableApp(t, { storage: { quota: '20KB' } })
  const annotated = (at: number) => anIndex([], { annotations: { [`${at}`]: 'x'.repeat(5000) } })
  await counted(app)

  // The disk is looked at ten times a second at most.
  let refused: Error | undefined
  let held = 0
  while (!refused) {
    refused = await push(annotated(held), 'app/web', `v${held}`).then(
      () => undefined,
      (error: Error) => error
    )
    held++
  }

  assert.ok(held > 4, `${held} manifests of 5 kB`)
  assert.match(refused.message, /PUT .*answered 507: .*STORAGE_FULL.*the quota of 0 MiB is used up/)
  for (const again of [1, 2]) await assert.rejects(push(annotated(held), 'app/web', `v${held + again}`))
  const told = app.lines.filter(({ msg }) => msg === 'request refused: no room')
  assert.deepEqual(
    told.map(({ level, reason, err }) => [level, reason, err]),
    [['warn', 'the quota of 0 MiB is used up', undefined]],
    'once a minute, without a stack: nothing failed here'
  )
  assert.equal((await app.get('/v2/app/web/manifests/v0')).status, 200)
  const details = (await app.status()).statusDetails.filter(({ code }) => code === 'DiskError')
  assert.match(details[0]?.description ?? '', /the quota/)
  assert.equal((await remove(`/v2/app/web/manifests/${annotated(0).manifest.descriptor.digest}`)).status, 202)
  assert.equal((await app.get('/v2/app/web/manifests/v0')).status, 404)
})
