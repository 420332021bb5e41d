import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { parseConnectionString } from '../../modules/connected-registry/src/protocol/connection-string.ts'
import { createManualClock } from '../connected-registry/sync/manual-clock.ts'
import { openCloud, syncToken } from '../connected-registry/sync/parents.ts'
import { anImage } from '../fixtures/image-builder.ts'
import { createCertificateAuthority } from '../simulators/edge-hub/certificates.ts'
import { connectionString } from '../simulators/world.ts'
import { assertRecovery, assertSame, openDurableSite } from './durable-site.ts'

const repositories = ['plant/a', 'plant/b']
const images = ['one', 'two', 'three'].map((seed) => anImage({ seed, layerSize: 20_000 }))

async function openWorld(t: TestContext, kind: 'acr' | 'plain', options: Parameters<typeof openDurableSite>[3] = {}) {
  let now = Date.now()
  const { connection, cloud } = await openCloud(t, kind, repositories, { now: () => now })
  const fill = () => {
    for (const name of repositories) {
      for (const [at, image] of images.entries()) cloud.contents.put(name, image, `1.${at}`)
    }
  }
  fill()
  const durable = await openDurableSite(t, connection, repositories, options)
  const passes = (milliseconds: number) => {
    now += milliseconds
  }
  return { cloud, durable, fill, passes }
}

for (const kind of ['acr', 'plain'] as const)
  test(`${kind}: a parent that comes back empty takes nothing away`, async (t) => {
    const { cloud, durable, fill } = await openWorld(t, kind)
    await durable.site.sync()
    cloud.reset()

    for (let round = 0; round < 3; round++) await durable.site.sync()

    assert.equal((await durable.site.registry.tags.list('plant/a', { limit: 10 })).length, images.length)
    fill()
    await assertRecovery(durable, cloud)
  })

for (const kind of ['acr', 'plain'] as const)
  test(`${kind}: a parent under a narrower token takes nothing away`, async (t) => {
    const { cloud, durable, passes } = await openWorld(t, kind)
    await durable.site.sync()
    const actionsFor = (name: string) => [`repositories/${name}/content/read`, `repositories/${name}/metadata/read`]
    cloud.tokens.set({ ...syncToken, actions: actionsFor('plant/a') })
    passes(24 * 3_600_000)

    for (let round = 0; round < 3; round++) await durable.site.sync()

    assert.ok(durable.site.codes().includes('DENIED') || durable.site.codes().includes('UNAUTHORIZED'))
    await assertSame(durable.site, cloud)
    cloud.tokens.set({ ...syncToken, actions: repositories.flatMap(actionsFor) })
    passes(24 * 3_600_000)
    await assertRecovery(durable, cloud)
  })

for (const years of [-30, 30])
  test(`a clock that jumps by ${years} years in the middle of content does no harm`, async (t) => {
    const clock = createManualClock('2024-05-01T00:00:00Z')
    const { cloud, durable, passes } = await openWorld(t, 'acr', { clock })
    const { promise: set, resolve: go } = Promise.withResolvers<void>()
    cloud.faults.add({ route: 'data' }, { kind: 'hang', afterBytes: 100, until: set }, { times: 1 })
    const asked = cloud.nextRequest({ route: 'data' })
    const syncing = durable.site.sync()
    await asked

    clock.set(new Date(clock.now().getTime() + years * 365 * 86_400_000))
    passes(years * 365 * 86_400_000)
    go()
    await syncing

    await assertRecovery(durable, cloud)
  })

test('a parent that is gone and comes back is gone on with', async (t) => {
  const { cloud, durable } = await openWorld(t, 'acr')
  const asked = cloud.nextRequest({ route: 'data' })
  const syncing = durable.site.sync()
  await asked
  await cloud.stop()
  await syncing
  assert.equal(durable.site.board.read().connectionState, 'Offline')

  await cloud.start()

  await assertRecovery(durable, cloud)
})

test('a parent that takes connections and never says a word is given up in time, and gone on with', async (t) => {
  const authority = await createCertificateAuthority()
  const { certificate, privateKey } = await authority.issue({ names: ['127.0.0.1'] })
  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const sockets = new Set<Socket>()
  silent.on('connection', (socket) => sockets.add(socket))
  const connection = parseConnectionString(connectionString(syncToken, `127.0.0.1:${port}`, 'https'), {})
  const certificateAuthorities = [authority.certificate]
  const durable = await openDurableSite(t, connection, repositories, { certificateAuthorities })

  await durable.site.sync()

  assert.ok(sockets.size > 0)
  assert.equal(durable.site.board.read().connectionState, 'Offline')
  for (const socket of sockets) socket.destroy()
  await new Promise((resolve) => silent.close(resolve))
  const { cloud } = await openCloud(t, 'acr', repositories, {
    loginPort: port,
    certificates: { key: privateKey, cert: certificate }
  })
  cloud.contents.put('plant/a', images[0]!, 'latest')
  cloud.contents.put('plant/b', images[1]!, 'latest')
  await assertRecovery(durable, cloud)
})
