import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createActivations } from '../../../modules/connected-registry/src/children/activations.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'

const now = () => new Date('2026-03-01T00:00:00Z')
const first = { instanceId: 'one', version: '0.1.0' }
const second = { instanceId: 'two', version: '0.1.0' }

test('one instance a name: another one is refused until the name is freed, in whatever case it comes', async () => {
  const activations = createActivations(createMemoryRecordStore(), now)

  const activated = await activations.activate('site-a', first)
  assert.deepEqual(activated, { ...first, activatedAt: '2026-03-01T00:00:00.000Z' })
  assert.deepEqual(await activations.activate('SITE-A', first), activated)
  await assert.rejects(activations.activate('site-a', second), { code: 'ALREADY_ACTIVATED', status: 409 })

  assert.equal(await activations.deactivate('Site-A'), true)
  assert.equal(await activations.deactivate('site-a'), false)
  await activations.activate('site-a', second)
  await assert.rejects(activations.require('site-a', 'three'), { code: 'NOT_ACTIVATED' })
  await assert.rejects(activations.require('site-a', undefined), { code: 'NOT_ACTIVATED' })
  assert.equal((await activations.require('site-a', 'two')).instanceId, 'two')
})

test('who was freed does not take its name back, also after others had it, until it is let in again', async () => {
  const records = createMemoryRecordStore()
  const activations = createActivations(records, now)
  await activations.activate('site-a', first)
  await activations.deactivate('site-a')

  const again = createActivations(records, now)
  await assert.rejects(again.require('site-a', 'one'), { code: 'DEACTIVATED', status: 409 })
  await assert.rejects(again.activate('site-a', first), { code: 'DEACTIVATED' })
  await again.activate('site-a', second)
  await assert.rejects(again.activate('site-a', first), { code: 'DEACTIVATED' })
  await again.deactivate('site-a')
  await assert.rejects(again.activate('site-a', first), { code: 'DEACTIVATED' })

  assert.equal(await again.readmit('Site-A'), true)
  assert.equal(await again.readmit('site-a'), false)
  assert.equal((await again.activate('site-a', first)).instanceId, 'one')
})

test('an instance that comes while its name is freed does not slip in', async () => {
  const activations = createActivations(createMemoryRecordStore(), now)
  await activations.activate('site-a', first)

  const [, came] = await Promise.allSettled([
    activations.deactivate('site-a'),
    activations.activate('site-a', { ...first, version: '0.2.0' })
  ])

  const found = await activations.require('site-a', 'one').catch(({ code }) => code)
  assert.ok(found === 'DEACTIVATED', `${came.status} ${JSON.stringify(found)}`)
})

test('of two instances that come at the same moment one is activated', async () => {
  const activations = createActivations(createMemoryRecordStore(), now)

  const results = await Promise.allSettled([
    activations.activate('site-a', first),
    activations.activate('site-a', second)
  ])

  assert.deepEqual(results.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
})

test('an activation survives a restart, and keeps its time when the program is a newer one', async () => {
  const records = createMemoryRecordStore()
  await createActivations(records, now).activate('site-a', first)

  const later = createActivations(records, () => new Date('2027-01-01T00:00:00Z'))

  assert.deepEqual(await later.activate('site-a', { ...first, version: '0.2.0' }), {
    instanceId: 'one',
    version: '0.2.0',
    activatedAt: '2026-03-01T00:00:00.000Z'
  })
})
