import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setInterval as every } from 'node:timers/promises'
import { basicAuthorization } from '../fixtures/push-image.ts'
import type { World } from '../simulators/world.ts'
import { inParts, type Journey, startJourney } from './journey.ts'

const reader = {
  name: 'site-reader',
  password: 'a word of the cloud alone=',
  actions: ['repositories/*/content/read', 'repositories/*/metadata/read']
}
const desired = { clientTokens: [{ name: 'site-*', delegate: true }] }
const patience = () => AbortSignal.timeout(60_000)

/** A site that was told nothing of the token but the beginning of its name. */
async function startDelegating(t: Parameters<typeof startJourney>[0]): Promise<Journey | undefined> {
  const journey = await startJourney(t, { clientToken: reader, desired })
  journey?.world.cloud?.tokens.set(reader)
  return journey
}

// One device for both: to start it costs more than what it is asked.
test('a device asks its cloud about tokens that nobody configured', inParts, async (t) => {
  const journey = await startDelegating(t)
  if (!journey) return
  const { skopeo, world, folder } = journey

  await t.test('while the cloud hangs, names that are known are let in, and others are told to try again', async () => {
    await skopeo.login()
    const { promise: over, resolve: goOn } = Promise.withResolvers<void>()
    world.cloud!.tokens.set({ ...reader, name: 'site-later' })
    const hanging = world.cloud!.faults.add({}, { kind: 'hang', until: over })

    await skopeo.pull('demo/app:1.0', join(folder, 'hung:1.0'))
    const { status, text } = await tokenOf(world, 'site-later')
    assert.equal(status, 429)
    assert.match(text, /the parent is being asked whether this token is valid: try again/)
    await skopeo.login()
    assert.equal(hanging.struck > 0, true)

    const proved = world.registry.line(
      ({ msg, token }) => /proved by the parent/.test(msg) && token === 'site-later',
      patience()
    )
    goOn()
    hanging.remove()
    await proved
    assert.equal((await tokenOf(world, 'site-later')).status, 200)
  })

  await t.test(
    'a token of the cloud that nobody configured works on site, without the cloud, until the cloud takes it back',
    async () => {
      await skopeo.login()
      await skopeo.pull('demo/app:1.0', join(folder, 'online:1.0'))

      await world.cloud!.stop()
      await skopeo.login()
      await skopeo.pull('demo/app:1.0', join(folder, 'offline:1.0'))

      await Promise.all([world.registry.restart(), world.proxy.restart()])
      await skopeo.login()
      await skopeo.pull('demo/app:1.0', join(folder, 'restarted:1.0'))
      await skopeo.pull('hello-world:latest', join(folder, 'never-pulled:1.0'))

      world.cloud!.tokens.remove(reader.name)
      await skopeo.login()
      // Used a moment ago: it may be taken back as soon as the cloud answers.
      await world.cloud!.start()
      await roundsUntilLogged(journey, 'client token revoked by the parent')
      await assert.rejects(skopeo.login(), /unauthorized|401|invalid username/i)
      await assert.rejects(skopeo.digest('demo/app:1.0'), /unauthorized|401|invalid username/i)
    }
  )
})

test('a token that was proved outlives a kill of the module right after its first login', async (t) => {
  const journey = await startDelegating(t)
  if (!journey) return
  const { skopeo, world } = journey

  await skopeo.login()
  await world.registry.stop('SIGKILL')
  await world.cloud!.stop()
  await world.registry.start()

  await skopeo.login()
})

async function tokenOf(world: World, name: string) {
  const headers = { authorization: basicAuthorization(name, reader.password) }
  const answer = await fetch(`${world.registryUrl}/acr/oauth2/token?service=site`, { headers })
  return { status: answer.status, text: await answer.text() }
}

/** A round asks again about what was used; the link's breaker leaves the cloud alone for some seconds after it was away. */
async function roundsUntilLogged({ world, round }: Journey, msg: string): Promise<void> {
  const isLogged = () => world.registry.lines.some((line) => line.msg === msg)
  for await (const _ of every(500, undefined, { signal: patience() })) {
    if (isLogged()) return
    await round()
  }
}
