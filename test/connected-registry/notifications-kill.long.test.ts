import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { anImage } from '../fixtures/image-builder.ts'
import { pushImage } from '../fixtures/push-image.ts'
import type { Section } from '../simulators/edge-hub/twins.ts'
import { aClient } from './layers.ts'
import { aProcess, authorization } from './module-under-test.ts'
import { aSimulatedDevice, moduleId } from './simulated-device.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'

const kills = 8

test('a module that is killed amid its messages loses none, keeps their order, and repeats some by the same id', async (t) => {
  const { hub, variables } = await aSimulatedDevice(t)
  const settings = { mode: 'ReadWrite', notifications: ['line/app:*:push'], clientTokens: [await aClient()] }
  await hub.setDesired(moduleId, settings as Section)
  const environment = { ACR_REGISTRY_DATA_VOLUME: join(await temporaryFolder(), 'data'), ...variables }
  const { module, port } = await aProcess(t, environment)
  const acknowledged: string[] = []
  const image = anImage()
  const push = async (tag: string) => {
    await pushImage(image, { url: `http://127.0.0.1:${port}`, repository: 'line/app', tag, authorization })
    acknowledged.push(tag)
  }
  await module.start()
  await module.line(({ msg }) => msg === 'notifications in force', t.signal)

  for (let turn = 0; turn < kills; turn++) {
    // Half of them between sending and the answer, the others wherever it is when a message arrives.
    hub.faults.messages = turn % 2 === 0 ? 'loseAnswer' : undefined
    const until = hub.messages.length + (turn % 2 === 0 ? 1 : randomInt(1, 30))
    let isKilled = false
    const pushing = (async () => {
      for (let step = 0; !isKilled; step++) await push(`${turn}-${step}`)
    })().catch((error) => assert.ok(isKilled, error))
    while (hub.messages.length < until) await once(hub.events, 'message', { signal: t.signal })
    isKilled = true
    await Promise.all([module.stop('SIGKILL'), pushing])
    hub.faults.messages = undefined
    await module.start()
  }
  await push('last')
  const told = () => hub.messages.map(({ messageId, body }) => [JSON.parse(body).target.tag, messageId] as const)
  while (!told().some(([tag]) => tag === 'last')) await once(hub.events, 'message', { signal: t.signal })

  const first = new Map<string, string | undefined>()
  for (const [tag, id] of told()) {
    assert.equal(first.get(tag) ?? id, id, `${tag} has one id`)
    if (!first.has(tag)) first.set(tag, id)
  }
  const wasAcknowledged = new Set(acknowledged)
  assert.deepEqual(
    [...first.keys()].filter((tag) => wasAcknowledged.has(tag)),
    acknowledged
  )
  assert.equal(new Set(first.values()).size, first.size)
  assert.ok(told().length > first.size, 'some were sent twice')
  t.diagnostic(`${kills} kills, ${acknowledged.length} pushes, ${told().length} messages of ${first.size} changes`)
})
