import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { anImage } from '../fixtures/image-builder.ts'
import { pushImage } from '../fixtures/push-image.ts'
import type { Section } from '../simulators/edge-hub/twins.ts'
import { anEdgeSite } from './edge-site.ts'
import { aClient, below, childEntry, openLayer } from './layers.ts'
import { aProcess, authorization } from './module-under-test.ts'
import { type RunningApp, runApp } from './running-app.ts'
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
  const pushTag = async (tag: string) => {
    await push({ port: port! }, 'line/app', tag)
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
      for (let step = 0; !isKilled; step++) await pushTag(`${turn}-${step}`)
    })().catch((error) => assert.ok(isKilled, error))
    while (hub.messages.length < until) await once(hub.events, 'message', { signal: t.signal })
    isKilled = true
    await Promise.all([module.stop('SIGKILL'), pushing])
    hub.faults.messages = undefined
    await module.start()
  }
  await pushTag('last')
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

test('a registry below another one is told by it what to notify of', async (t) => {
  const entry = { name: 'layer4', password: 'Pa55word/below' }
  const child = await childEntry(entry, { mode: 'ReadWrite', notifications: ['plant/a:*'] })
  const top = await openLayer(t, {
    settings: {
      mode: 'ReadWrite',
      repositories: ['plant/a', 'plant/b'],
      clientTokens: [await aClient()],
      children: [child]
    }
  })
  const device = await aSimulatedDevice(t)
  await device.hub.setDesired(moduleId, below(top.host, entry) as Section)
  const app = await runApp(t, { edge: device.environment, settings: { clientTokens: undefined } })
  await app.line(({ msg }) => msg === 'notifications in force')

  await push(app, 'plant/b', '1.0')
  await push(app, 'plant/a', '1.0')

  const [message] = await device.hub.sent(1, t.signal)
  const { target, connectedregistry } = JSON.parse(message!.body)
  assert.deepEqual([target.repository, connectedregistry], ['plant/a', { name: 'layer4' }])
})

test('what waits for edgeHub outlives a state file that is lost with all that the twin said', async (t) => {
  const settings = { clientTokens: [await aClient()] }
  const site = await anEdgeSite(t, { settings })
  const { hub } = site.device
  await site.desire({ ...site.desired, mode: 'ReadWrite', notifications: ['*:*'] })
  await hub.stop()
  await push(site.app, 'demo/tool', '1.0')
  await site.app.stop()
  for (const name of ['state.json', 'state.json.previous']) await rm(join(site.app.dataVolume, name))

  const { dataVolume } = site.app
  await runApp(t, { settings: { ...settings, mode: 'ReadWrite' }, dataVolume, edge: site.device.environment })
  await hub.start()

  const [message] = await hub.sent(1, t.signal)
  assert.equal(JSON.parse(message!.body).target.tag, '1.0')
})

function push({ port }: Pick<RunningApp, 'port'>, repository: string, tag: string): Promise<void> {
  return pushImage(anImage({ seed: tag }), { url: `http://127.0.0.1:${port}`, repository, tag, authorization })
}
