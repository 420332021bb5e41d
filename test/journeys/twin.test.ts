import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { demoApp, helloWorld } from '../fixtures/demo-images.ts'
import type { World } from '../simulators/world.ts'
import { demoRepositories, inParts, settingsInForce, startJourney } from './journey.ts'

const patience = () => AbortSignal.timeout(60_000)

async function setRepositories(world: World, repositories: readonly string[]): Promise<void> {
  const { version } = await world.hub.patchDesired('connected-registry', { repositories: [...repositories] })
  await settingsInForce(world, version)
}

// One device for all of them: to start it costs more than what it is told.
test('what the twin says of the repositories is so', inParts, async (t) => {
  const journey = await startJourney(t, { repositories: ['hello-world'] })
  if (!journey) return
  const { skopeo, world, round } = journey

  await t.test('the twin changes the repositories: the new one arrives, the old one goes', async () => {
    await assert.rejects(skopeo.digest('demo/app:1.0'), /manifest unknown/)

    world.cloud?.tokens.set({ ...world.syncToken, actions: readOf('demo/app') })
    await setRepositories(world, ['demo/app'])
    await round()

    assert.equal(await skopeo.digest('demo/app:1.0'), demoApp().manifest.descriptor.digest)
    await assert.rejects(skopeo.digest('hello-world:latest'), /manifest unknown/)
  })

  world.cloud?.tokens.set({ ...world.syncToken, actions: demoRepositories.flatMap(readOf) })

  await t.test('after edgeHub came back without its sessions, the next twin change still arrives', async () => {
    await helloWorldAlone()

    await world.hub.stop()
    await world.hub.start({ keepSessions: false })
    await world.hub.connected('connected-registry', patience())
    await setRepositories(world, demoRepositories)
    await round()

    assert.equal(await skopeo.digest('demo/app:1.0'), demoApp().manifest.descriptor.digest)
  })

  await t.test('a change of the twin that was missed while edgeHub was away is made up for', async () => {
    await helloWorldAlone()

    await world.hub.stop()
    const { version } = await world.hub.patchDesired('connected-registry', { repositories: demoRepositories })
    await world.hub.start()
    await settingsInForce(world, version)
    await round()

    assert.equal(await skopeo.digest('demo/app:1.0'), demoApp().manifest.descriptor.digest)
  })

  async function helloWorldAlone(): Promise<void> {
    await setRepositories(world, ['hello-world'])
    await round()
    await assert.rejects(skopeo.digest('demo/app:1.0'), /manifest unknown/)
  }
})

test('the same world through EdgeHubConnectionString', async (t) => {
  const journey = await startJourney(t, { identity: 'connectionString' })
  if (!journey) return
  const { skopeo, folder } = journey

  await skopeo.pull('demo/app:1.0', join(folder, 'app:1.0'))

  assert.equal(await skopeo.digest('hello-world:latest'), helloWorld().manifest.descriptor.digest)
})

function readOf(repository: string): readonly string[] {
  return [`repositories/${repository}/content/read`, `repositories/${repository}/metadata/read`]
}
