import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { setInterval as every } from 'node:timers/promises'
import { demoApp, demoAppSbom, helloMessage, helloWorld } from '../fixtures/demo-images.ts'
import { anImage } from '../fixtures/image-builder.ts'
import { inParts, type Journey, startJourney } from './journey.ts'
import { runImage } from './podman.ts'

// One device for all of them: to start it costs more than what it is asked.
test('a device serves what its cloud holds, also when that hangs and when it is gone', inParts, async (t) => {
  const journey = await startJourney(t)
  if (!journey) return
  const { skopeo, folder, round, world } = journey

  await t.test('what the parent holds is pulled through the door, by tag and by digest, byte for byte', async () => {
    const { digest } = demoApp().manifest.descriptor

    assert.equal(await skopeo.digest('demo/app:1.0'), digest)
    assert.equal(await skopeo.digest(`demo/app@${digest}`), digest)
    await skopeo.pull('demo/app:1.0', join(folder, 'by-tag:1.0'))
    await skopeo.pull(`demo/app@${digest}`, join(folder, 'by-digest:1.0'))
    assert.equal(
      await skopeo.digest(`demo/app@${demoAppSbom(demoApp()).manifest.descriptor.digest}`).then(Boolean),
      true
    )
  })

  await t.test('the pulled hello-world runs', async (t) => {
    const output = await runImage(t, journey, 'hello-world:latest')

    if (output !== undefined) assert.equal(output, helloMessage)
  })

  await t.test('a push on site is refused in words a client shows', async () => {
    await skopeo.pull('demo/app:1.0', join(folder, 'app:1.0'))

    await assert.rejects(
      skopeo.push(join(folder, 'app:1.0'), 'demo/app:mine'),
      /denied: This operation is not allowed on this registry\./
    )
    assert.deepEqual(await skopeo.tags('demo/app'), ['1.0'])
  })

  await t.test('what is pushed to the cloud, moved and deleted there, is so on site after the next round', async () => {
    await skopeo.publish('demo/app:1.0', 'demo/app:2.0')
    await round()
    assert.equal(await skopeo.digest('demo/app:2.0'), demoApp().manifest.descriptor.digest)

    await skopeo.publish('hello-world:latest', 'demo/app:2.0')
    await round()
    assert.equal(await skopeo.digest('demo/app:2.0'), helloWorld().manifest.descriptor.digest)

    world.cloud?.contents.untag('demo/app', '2.0')
    await round()
    assert.deepEqual(await skopeo.tags('demo/app'), ['1.0'])
    await assert.rejects(skopeo.digest('demo/app:2.0'), /manifest unknown/)
  })

  await t.test('pulls do not wait for a cloud that accepts and then says nothing', async () => {
    const hanging = world.cloud!.faults.add({}, { kind: 'hang' })
    const asked = world.cloud!.nextRequest({}, AbortSignal.timeout(60_000))
    const syncing = world.invoke('sync')
    await asked

    await skopeo.pull('demo/app:1.0', join(folder, 'meanwhile:1.0'))

    assert.equal(hanging.struck > 0, true, 'a round was waiting for the cloud all the while')
    hanging.remove()
    await Promise.all([world.cloud!.stop(), syncing])
  })

  await t.test('pulls go on when the cloud is gone, also after both modules were restarted without it', async () => {
    await world.cloud!.stop()
    await skopeo.pull('demo/app:1.0', join(folder, 'without:1.0'))
    await Promise.all([world.registry.restart(), world.proxy.restart()])
    await skopeo.pull('demo/app:1.0', join(folder, 'restarted:1.0'))

    assert.equal(await skopeo.digest('hello-world:latest'), helloWorld().manifest.descriptor.digest)
  })
})

test('after kill -9 in the middle of a round, all that was complete is served and nothing else', async (t) => {
  const journey = await startJourney(t)
  if (!journey) return
  const { skopeo, world, folder } = journey
  const large = anImage({ seed: 'large', layers: 4, layerSize: 4 << 20 })
  world.cloud!.contents.put('demo/app', large, 'large')
  world.cloud!.faults.add({ route: 'data' }, { kind: 'slow', bytesPerSecond: 2 << 20 })
  const transferring = world.cloud!.nextRequest({ server: 'data' }, AbortSignal.timeout(60_000))
  void world.hub.invoke('connected-registry', 'sync', null, 1_000)
  await transferring

  const died = once(world.registry.events, 'exit')
  await world.registry.stop('SIGKILL')
  await died
  world.cloud!.faults.clear()
  await world.cloud!.stop()
  await world.registry.start()
  await skopeo.pull('demo/app:1.0', join(folder, 'complete:1.0'))
  await assert.rejects(skopeo.digest('demo/app:large'), /manifest unknown/)

  await world.cloud!.start()
  await world.hub.connected('connected-registry', AbortSignal.timeout(60_000))
  await reachingRound(journey)
  await skopeo.pull('demo/app:large', join(folder, 'large:1.0'))
})

/** The link's breaker leaves a cloud that was away alone for some seconds. */
async function reachingRound({ round }: Journey): Promise<void> {
  for await (const _ of every(500, undefined, { signal: AbortSignal.timeout(60_000) })) {
    if ((await round()).result === 'Succeeded') return
  }
}
