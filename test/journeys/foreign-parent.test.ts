import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { demoApp, helloWorld } from '../fixtures/demo-images.ts'
import { type ForeignRegistry, startForeignRegistry } from '../fixtures/foreign-registry.ts'
import { basicAuthorization, pushImage } from '../fixtures/push-image.ts'
import { requireTool } from '../fixtures/tools.ts'
import { connectionString } from '../simulators/world.ts'
import { demoRepositories, inParts, type Journey, startJourney } from './journey.ts'

const user = { name: 'siteregistry', password: 'foreign-password' }
const authorization = basicAuthorization(user.name, user.password)

/** The same device below CNCF distribution with Basic authentication. */
async function startBelowForeign(
  t: TestContext
): Promise<(Journey & { readonly foreign: ForeignRegistry }) | undefined> {
  if (!requireTool(t, 'docker-registry')) return undefined
  const foreign = await startForeignRegistry({ htpasswd: user, delete: true })
  t.after(() => foreign.stop())
  await pushImage(demoApp(), { url: foreign.url, repository: 'demo/app', tag: '1.0', authorization })
  await pushImage(helloWorld(), { url: foreign.url, repository: 'hello-world', tag: 'latest', authorization })
  const parent = connectionString(user, foreign.host)
  const above = { ...user, host: foreign.host }
  const journey = await startJourney(t, { parent, repositories: demoRepositories, above })
  return journey && { ...journey, foreign }
}

// One device for both: to start it costs more than what it is asked.
test('below a foreign registry', inParts, async (t) => {
  const journey = await startBelowForeign(t)
  if (!journey) return
  const { skopeo, round, world, folder, foreign } = journey

  await t.test('pulled by tag and digest, pushed above, moved and deleted above', async () => {
    const { digest } = demoApp().manifest.descriptor
    assert.equal(await skopeo.digest('demo/app:1.0'), digest)
    await skopeo.pull(`demo/app@${digest}`, join(folder, 'by-digest:1.0'))

    await skopeo.publish('demo/app:1.0', 'demo/app:2.0')
    await round()
    assert.equal(await skopeo.digest('demo/app:2.0'), digest)

    await skopeo.publish('hello-world:latest', 'demo/app:2.0')
    await round()
    assert.equal(await skopeo.digest('demo/app:2.0'), helloWorld().manifest.descriptor.digest)

    const url = new URL(`/v2/demo/app/manifests/${helloWorld().manifest.descriptor.digest}`, foreign.url)
    await fetch(url, { method: 'DELETE', headers: { authorization } })
    await round()
    assert.deepEqual(await skopeo.tags('demo/app'), ['1.0'])
  })

  await t.test('pulls go on while it hangs and when it is gone, also after a restart', async () => {
    foreign.freeze()
    const syncing = world.hub.invoke('connected-registry', 'sync', null, 1_000)
    await skopeo.pull('demo/app:1.0', join(folder, 'hanging:1.0'))
    foreign.thaw()
    await syncing
    await foreign.kill()
    await skopeo.pull('demo/app:1.0', join(folder, 'gone:1.0'))
    await Promise.all([world.registry.restart(), world.proxy.restart()])

    await skopeo.pull('hello-world:latest', join(folder, 'restarted:1.0'))
  })
})
