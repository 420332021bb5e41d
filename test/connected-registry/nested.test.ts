import assert from 'node:assert/strict'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { anImage } from '../fixtures/image-builder.ts'
import { freePorts } from '../fixtures/ports.ts'
import { basicAuthorization } from '../fixtures/push-image.ts'
import { connectionString } from '../simulators/world.ts'
import { aChild, dayMs } from './children/some-children.ts'
import { aToken, password, serveRegistry } from './http/served-registry.ts'
import { aClient, below, childEntry, type Layer, openLayer } from './layers.ts'
import { clientToken } from './running-app.ts'

const site4 = { name: 'layer-4', password: 'four=password/+' }
const site3 = { name: 'layer-3', password: 'three=password/+' }

/** Three registries below each other, of which the lower two are told of their parents alone. */
async function threeTiers(t: TestContext) {
  const children = [await childEntry(site4, { mode: 'ReadWrite', children: [await childEntry(site3)] })]
  const repositories = ['plant/a', 'plant/b']
  const upper = await openLayer(t, {
    settings: { mode: 'ReadWrite', repositories, clientTokens: [await aClient()], children }
  })
  for (const repository of repositories) await upper.push(repository, anImage(), 'base')
  const middle = await openLayer(t, { settings: below(upper.host, site4) })
  await following(middle)
  const lower = await openLayer(t, { settings: below(middle.host, site3) })
  await following(lower)
  return { upper, middle, lower }
}

async function following(layer: Layer, from = 0): Promise<void> {
  await layer.line(({ following }) => following === true, from)
}

test('what happens at any tier comes to all others: pushes, moved tags, untags and deletes', async (t) => {
  const { upper, middle, lower } = await threeTiers(t)
  const [first, second] = [anImage({ seed: 'one' }), anImage({ seed: 'two' })]
  const digest = first.manifest.descriptor.digest
  const names = (layer: Layer, tag: string, expected: string | undefined) =>
    layer.until(async () => (await layer.tag('plant/a', tag)) === expected)

  await middle.push('plant/a', first, '1.0')
  await names(lower, '1.0', digest)
  await names(upper, '1.0', digest)
  assert.equal((await lower.status()).mode, 'ReadOnly')

  await upper.push('plant/a', second, '1.0')
  await names(lower, '1.0', second.manifest.descriptor.digest)

  assert.equal((await upper.send('DELETE', '/acr/v1/plant/a/_tags/1.0')).status, 202)
  await names(lower, '1.0', undefined)

  assert.equal((await middle.send('DELETE', `/v2/plant/a/manifests/${digest}`)).status, 202)
  await names(lower, digest, undefined)
  await names(upper, digest, undefined)
})

test('a client token of the top is good at the bottom, and refused there once it is revoked above', async (t) => {
  const { upper, middle, lower } = await threeTiers(t)
  const token = (await aClient()) as Readonly<Record<string, unknown>>
  assert.equal((await lower.send('GET', '/v2/')).status, 200)

  await upper.configure({ clientTokens: [{ ...token, status: 'disabled' }] })

  await middle.until(async () => (await middle.send('GET', '/v2/')).status === 401)
  await lower.until(async () => (await lower.send('GET', '/v2/')).status === 401)
})

test('after a restart without a parent clients of the parent are known, and content is served', async (t) => {
  const { upper, middle, lower } = await threeTiers(t)
  const image = anImage()
  await upper.push('plant/a', image, '1.0')
  await lower.until(async () => (await lower.tag('plant/a', '1.0')) !== undefined)
  await middle.stop()
  await lower.stop()

  const again = await openLayer(t, { settings: below(middle.host, site3), dataVolume: lower.dataVolume })

  assert.equal(await again.tag('plant/a', '1.0'), image.manifest.descriptor.digest)
  assert.equal((await again.send('GET', '/v2/', 'Basic bm9ib2R5Og==')).status, 401)
})

test('before a child has heard its parent, who is not known is told to come again, not that a login is wrong', async (t) => {
  const [port = 0] = await freePorts(1)
  const own = await clientToken({ name: 'own' })
  const lower = await openLayer(t, { settings: { ...below(`127.0.0.1:${port}`, site4), clientTokens: [own] } })
  const wrong = basicAuthorization('own', 'wrong')

  const before = await lower.get('/v2/')
  assert.deepEqual([before.status, before.headers.get('retry-after')], [503, '10'])
  assert.match(before.text, /the parent has not told its client tokens yet/)
  assert.equal((await lower.get('/v2/', wrong)).status, 401)
  assert.equal((await lower.get('/acr/oauth2/token?service=x')).status, 503)

  const settings = { clientTokens: [await aClient()], repositories: ['plant/a', 'plant/b'] }
  await openLayer(t, { settings: { ...settings, children: [await childEntry(site4)] }, port })
  await following(lower)
  assert.equal((await lower.get('/v2/')).status, 200)
  assert.equal((await lower.get('/v2/', basicAuthorization('nobody', 'x'))).status, 401)
})

interface Tree {
  readonly name: string
  readonly connectionState: string
  readonly report?: { readonly version: string; readonly lastSync?: string; readonly children?: readonly Tree[] }
}

test('the top knows how the bottom is', async (t) => {
  const { upper } = await threeTiers(t)
  const tree = async () => (JSON.parse((await upper.get('/status')).text) as { children: readonly Tree[] }).children
  const below4 = async () => (await tree())[0]?.report?.children?.[0]

  await upper.until(async () => (await below4())?.report?.lastSync !== undefined)

  const bottom = await below4()
  assert.equal((await tree())[0]?.name, site4.name)
  assert.equal(bottom?.name, site3.name)
  assert.equal(bottom?.connectionState, 'Online')
})

test('a registry that is above its own parent syncs nothing, and says so', async (t) => {
  const one = { name: 'loop-one', password: 'one=password/+' }
  const two = { name: 'loop-two', password: 'two=password/+' }
  const clientTokens = [await aClient()]
  const repositories = ['plant/a', 'plant/b']
  const first = await openLayer(t, { settings: { clientTokens, repositories, children: [await childEntry(one)] } })
  const second = await openLayer(t, {
    settings: { ...below(first.host, one), clientTokens, repositories, children: [await childEntry(two)] }
  })
  await following(second)

  await first.configure(below(second.host, two))

  await first.until(async () => (await first.status()).statusDetails.some(({ code }) => code === 'PARENT_LOOP'))
  await first.until(async () => (await first.status()).sync.last?.result === 'Failed')
})

test('a parent that is no gateway any more is polled, its config counts no more, and it is followed again when it is back', async (t) => {
  const clientTokens = [await aClient()]
  const settings = { clientTokens, repositories: ['plant/a', 'plant/b'], children: [await childEntry(site4)] }
  const upper = await openLayer(t, { settings })
  const gate = await openGate(t, upper.port)
  const lower = await openLayer(t, { settings: below(gate.host, site4) })
  await following(lower)
  const from = lower.lines.length

  gate.isClosed = true

  await lower.line(({ msg, state }) => msg === 'gateway of the parent' && state === 'plain', from)
  assert.equal((await lower.send('GET', '/v2/')).status, 401)

  gate.isClosed = false
  await following(lower, from)
  assert.equal((await lower.send('GET', '/v2/')).status, 200)
})

/** Leads everything to a registry; while it is closed, all but its gateway. */
async function openGate(t: TestContext, port: number) {
  const gate = { host: '', isClosed: false }
  const server = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming
    if (gate.isClosed && url?.startsWith('/acr/gateway/')) return void outgoing.writeHead(404).end()
    const onward = request({ host: '127.0.0.1', port, method, path: url, headers, agent: false }, (answer) => {
      // Who asked may have left: then there is nothing to lead an answer to.
      if (outgoing.destroyed) return void answer.destroy()
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      pipeline(answer, outgoing, () => {})
    })
    pipeline(incoming, onward, () => {})
  })
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  gate.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return gate
}

test('a parent that was rebuilt empty empties nobody, and is followed in its new epoch', async (t) => {
  const { upper, middle, lower } = await threeTiers(t)
  const { settings, port } = upper
  await upper.stop()
  const from = middle.lines.length

  const rebuilt = await openLayer(t, { settings, port })

  await following(middle, from)
  const image = anImage({ seed: 'anew' })
  await rebuilt.push('plant/a', image, '2.0')
  await lower.until(async () => (await lower.tag('plant/a', '2.0')) === image.manifest.descriptor.digest)
  for (const layer of [middle, lower]) {
    assert.ok(await layer.tag('plant/a', 'base'))
    assert.ok(await layer.tag('plant/b', 'base'))
  }
})

/** A parent whose parts a test changes, with one image that its child has. */
async function servedParent(t: TestContext, clock: { now: number } = { now: Date.now() }) {
  const parent = await serveRegistry(t, { now: () => clock.now })
  const actions = ['content/read', 'metadata/read'].map((action) => `repositories/app/*/${action}`)
  const rights = ['config/read', 'config/write', 'message/read', 'message/write']
  const token = await aToken('site-a', [...actions, ...rights.map((right) => `gateway/site-a/${right}`)])
  parent.settings.tokens = [...parent.settings.tokens, { ...token, child: 'site-a' }]
  parent.settings.children = [aChild({ config: { mode: 'ReadOnly', repositories: ['app/one'] } })]
  const image = anImage()
  await parent.hold('app/one', image, '1.0')
  await parent.hold('app/one', image, '2.0')
  const host = `127.0.0.1:${parent.port}`
  const settings = {
    connectionString: connectionString({ name: 'site-a', password }, host),
    clientTokens: [await aClient()]
  }
  const child = await openLayer(t, { settings })
  await following(child)
  assert.ok(await child.tag('app/one', '2.0'))
  return { parent, child, settings }
}

test('a parent whose own first sync is not complete takes nothing away; once it is, what is gone goes', async (t) => {
  const { parent, child } = await servedParent(t)
  parent.settings.isSynced = false

  await parent.registry.tags.remove('app/one', '2.0', { origin: 'parent' })
  await child.line(({ msg }) => msg === 'nothing removed: the parent is not whole yet')
  const { description } = await child.line(({ code }) => code === 'REMOVALS_HELD')
  assert.match(String(description), /^app\/one: \d references stay until/)
  assert.ok(await child.tag('app/one', '2.0'))

  parent.settings.isSynced = true
  await child.until(async () => (await child.tag('app/one', '2.0')) === undefined)
  assert.ok(await child.tag('app/one', '1.0'))
})

test('a child that was away for longer than messages wait compares everything', async (t) => {
  const clock = { now: Date.now() }
  const { parent, child, settings } = await servedParent(t, clock)
  await child.stop()
  await parent.registry.tags.remove('app/one', '2.0', { origin: 'parent' })
  clock.now += 3 * dayMs

  const again = await openLayer(t, { settings, dataVolume: child.dataVolume })

  await following(again)
  await again.until(async () => (await again.tag('app/one', '2.0')) === undefined)
  const expired = again.lines.filter(({ msg, status }) => msg === 'parent answered' && status === 410)
  assert.ok(expired.length > 0)
})

test('a config that is refused is named, and changes nothing', async (t) => {
  const { parent, child } = await servedParent(t)
  const wrong = { mode: 'ReadOnly', repositories: ['app/one'], connectionString: 'ConnectedRegistryName=thief' }

  parent.settings.children = [aChild({ config: wrong })]
  parent.children.changed()

  await child.until(async () => (await child.status()).settings.problems.length > 0)
  assert.deepEqual((await child.status()).settings.problems, ['parent: connectionString: a parent must not set it'])
  assert.ok(await child.tag('app/one', '1.0'))
})

test('outside of its window a child leaves its parent alone', async (t) => {
  const { parent, child } = await servedParent(t)
  const yearly = { schedule: `0 0 ${new Date().getUTCMonth() === 0 ? '1 7' : '1 1'} *`, window: 'PT1H' }
  const from = child.lines.length

  parent.settings.children = [aChild({ config: { mode: 'ReadOnly', repositories: ['app/one'], sync: yearly } })]
  parent.children.changed()

  await child.line(({ following }) => following === false, from)
  const { length } = child.lines
  await parent.registry.tags.remove('app/one', '2.0', { origin: 'parent' })
  assert.ok(await child.tag('app/one', '2.0'))
  assert.ok(!child.lines.slice(length).some(({ msg }) => msg === 'parent answered'))
})
