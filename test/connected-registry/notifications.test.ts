import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keys } from '../../modules/connected-registry/src/storage/layout.ts'
import { aHub, aSite } from './notified-site.ts'
import { patterns } from './some-notifications.ts'

test('what came before the first patterns is not told, and what comes then is told in order', async (t) => {
  const site = await aSite(t)
  const hub = aHub(t)
  await site.tag('before')
  const { notifications } = site.begin(hub)

  notifications.apply(patterns('demo/app:*:push'))
  await site.tag('1', '2', '3')
  await hub.sent(3)

  assert.deepEqual(hub.tags, ['1', '2', '3'])
})

test('while edgeHub is away the log is the queue, over a restart as well', async (t) => {
  const site = await aSite(t)
  const away = aHub(t)
  const first = site.begin(away)
  first.notifications.apply(patterns('*:*'))
  await site.tag('1')
  await away.sent(1)
  first.notifications.connected(undefined)
  await site.tag('2')
  await first.notifications.stop()
  await site.tag('3')

  const hub = aHub(t)
  site.begin(hub).notifications.apply(patterns('*:*'))
  await hub.sent(2)

  assert.deepEqual(away.tags, ['1'])
  assert.deepEqual(hub.tags, ['2', '3'])
})

test('who ends between sending and noting it sends again, by the same id', async (t) => {
  const site = await aSite(t)
  const hub = aHub(t)
  const first = site.begin(hub)
  first.notifications.apply(patterns('*:*'))
  await site.tag('1')
  await hub.sent(1)
  await site.noted()
  hub.isSilent = true
  await site.tag('2')
  await hub.sent(2)
  // Killed: it neither hears of the answer nor stops.
  first.notifications.connected(undefined)

  const next = aHub(t)
  site.begin(next).notifications.apply(patterns('*:*'))
  await next.sent(1)

  assert.deepEqual(next.tags, ['2'])
  assert.equal(next.events[0]?.id, hub.events[1]?.id)
})

test('other patterns are for what comes after them; what waits is told by those of its time', async (t) => {
  const site = await aSite(t)
  const { notifications } = site.begin()
  notifications.apply(patterns('*:a:push'))
  await site.inForce('*:a:push')
  await site.tag('a', 'b')
  notifications.apply(patterns('*:b:push'))
  await site.tag('a', 'b')
  await site.inForce('*:b:push')
  const hub = aHub(t)

  notifications.connected(hub.send)
  await hub.sent(2)
  await site.tag('a', 'b')
  await hub.sent(3)

  assert.deepEqual(hub.tags, ['a', 'b', 'b'])
})

test('patterns that change again and again while edgeHub is away take a bounded room', async (t) => {
  const site = await aSite(t)
  const { notifications } = site.begin()
  for (let turn = 0; turn < 30; turn++) {
    notifications.apply(patterns(`*:${turn}:push`))
    await site.inForce(`*:${turn}:push`)
    await site.tag(`${turn}`)
  }

  const { eras } = (await site.position())!

  assert.equal(eras.length, 10)
  const hub = aHub(t)
  notifications.connected(hub.send)
  await hub.sent(10)
  assert.deepEqual(hub.tags, ['0', '1', '2', '3', '4', '5', '6', '7', '8', '29'])
})

test('without patterns nothing is read, kept or loaded', async (t) => {
  const site = await aSite(t)
  const { notifications } = site.begin(aHub(t))
  notifications.apply([])
  await site.tag('1')
  await notifications.stop()

  assert.equal(notifications.status(), undefined)
  assert.equal(await site.records.get(keys.notifications), undefined)
  assert.equal(site.reads, 0)
})

for (const isRunning of [true, false])
  test(`notifications that are switched off ${isRunning ? 'amid' : 'before'} a run begin anew when they are switched on`, async (t) => {
    const site = await aSite(t)
    const hub = aHub(t)
    const first = site.begin()
    first.notifications.apply(patterns('*:*'))
    await site.inForce('*:*')
    await site.tag('1')
    if (!isRunning) await first.notifications.stop()
    const { notifications } = isRunning ? first : site.begin()

    notifications.apply([])
    await site.until((position) => position === undefined)
    await site.tag('2')
    notifications.connected(hub.send)
    notifications.apply(patterns('*:*'))
    await site.tag('3')
    await hub.sent(1)

    assert.deepEqual(hub.tags, ['3'])
  })

test('what edgeHub did not take is sent again, and nothing of what it took', async (t) => {
  const site = await aSite(t)
  const hub = aHub(t)
  const { notifications } = site.begin()
  notifications.apply(patterns('*:*'))
  await site.tag('1', '2', '3')
  hub.refuses = 2
  hub.refusedTag = '2'

  notifications.connected(hub.send)
  await hub.sent(3)

  assert.deepEqual(hub.tags, ['1', '2', '3'])
  assert.equal(hub.refuses, 0)
})

test('a reader that is behind the trim goes on at what is there, and says how much it lost, for a day', async (t) => {
  const site = await aSite(t)
  const { notifications } = site.begin()
  notifications.apply(patterns('*:*'))
  await site.inForce('*:*')
  await site.tag('1', '2', '3', '4')
  await site.registry.changes.trim({ before: new Date(0), keep: 1 })
  const hub = aHub(t)

  notifications.connected(hub.send)
  await hub.sent(1)

  assert.deepEqual(hub.tags, ['4'])
  assert.deepEqual(notifications.details(), [
    {
      type: 'State',
      code: 'NOTIFICATIONS_LOST',
      description: 'up to 3 changes were trimmed from the change log before edgeHub took them'
    }
  ])
  site.passed += 25 * 3_600_000
  assert.deepEqual(notifications.details(), [])
})

test('a cursor that cannot be written stops nothing, and is written with the next attempt', async (t) => {
  const site = await aSite(t)
  const hub = aHub(t)
  const { notifications } = site.begin(hub)
  notifications.apply(patterns('*:*'))
  await site.inForce('*:*')
  site.failures = 1
  const failed = site.failed()
  await site.tag('1')
  await hub.sent(1)
  await failed
  await site.tag('2')
  await hub.sent(2)
  await notifications.stop()

  const next = aHub(t)
  site.begin(next).notifications.apply(patterns('*:*'))
  await site.tag('3')
  await next.sent(1)

  assert.deepEqual([...hub.tags, ...next.tags], ['1', '2', '3'])
})

test('what nobody wants is passed over once', async (t) => {
  const site = await aSite(t)
  const hub = aHub(t)
  const { notifications } = site.begin(hub)
  notifications.apply(patterns('elsewhere:*'))
  await site.tag('1', '2')
  await site.noted()

  assert.equal(notifications.status()?.unread, 0)
  assert.deepEqual(hub.tags, [])
})

test('whoever reports is told when all was told, so that nothing that was sent is reported as unread', async (t) => {
  const site = await aSite(t)
  const hub = aHub(t)
  const { notifications } = site.begin()
  notifications.apply(patterns('*:*'))
  await site.inForce('*:*')
  await site.tag('1', '2')
  assert.equal(notifications.status()?.unread, 2)

  const said = site.said(() => notifications.status()?.unread === 0)
  notifications.connected(hub.send)
  await said

  assert.deepEqual(hub.tags, ['1', '2'])
  assert.equal(notifications.status()?.lastSent, hub.events.at(-1)?.timestamp)
})
