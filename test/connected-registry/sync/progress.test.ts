import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createStatusBoard } from '../../../modules/connected-registry/src/sync/status.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { createManualClock } from './manual-clock.ts'
import { openCloud } from './parents.ts'
import { openSite } from './site.ts'

test('an iteration under way tells how fast it is, and when it will be done', () => {
  const clock = createManualClock('2024-05-01T00:00:00Z')
  const board = createStatusBoard(clock.now)
  board.started('one')
  board.arrived({ missingReferences: 3, missingBytes: 10_000 })
  board.arrived({ bytes: 1000 })
  clock.advance(1000)
  board.arrived({ bytes: 1000, artifacts: 1, missingReferences: -1 })

  const { current } = board.read()

  assert.deepEqual(current, {
    startedAt: '2024-05-01T00:00:00.000Z',
    correlationId: 'one',
    artifacts: 1,
    bytes: 2000,
    removed: 0,
    missingReferences: 2,
    missingBytes: 8000,
    bytesPerSecond: 1000,
    expectedEnd: '2024-05-01T00:00:09.000Z',
    sent: { artifacts: 0, bytes: 0 }
  })
})

test('iterations and what they brought are counted from the start on, with the one under way', () => {
  const board = createStatusBoard(createManualClock('2024-05-01T00:00:00Z').now)
  const outcome = { correlationId: 'one', reached: true, details: [] }
  for (const result of ['Succeeded', 'Failed', 'Succeeded', 'Aborted'] as const) {
    board.started('one')
    board.arrived({ artifacts: 1, bytes: 100 })
    board.sent({ artifacts: 2, bytes: 20 })
    board.removed()
    board.ended(result, outcome)
  }
  board.started('one')
  board.arrived({ bytes: 7 })

  assert.deepEqual(board.totals(), {
    iterations: { Succeeded: 2, Failed: 1, Aborted: 1 },
    arrived: { artifacts: 4, bytes: 407 },
    sent: { artifacts: 8, bytes: 80 },
    removed: 4
  })
})

test('where nothing comes, no end is promised', () => {
  const clock = createManualClock('2024-05-01T00:00:00Z')
  const board = createStatusBoard(clock.now)
  board.started('one')
  board.arrived({ missingBytes: 10_000, bytes: 10 })

  clock.advance(60_000)

  assert.equal(board.read().current?.bytesPerSecond, 0)
  assert.equal(board.read().current?.expectedEnd, undefined)
})

test('in the middle of a sync, what is here and what is missing is told', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', ['plant/a'])
  cloud.contents.put('plant/a', anImage({ seed: 'large', layerSize: 50_000 }), 'latest')
  const site = await openSite(t, connection, ['plant/a'])
  const { promise, resolve: go } = Promise.withResolvers<void>()
  cloud.faults.add({ route: 'data' }, { kind: 'hang', until: promise })
  const asked = cloud.nextRequest({ route: 'data' })
  const syncing = site.sync()
  await asked

  const { current } = site.board.read()

  assert.ok((current?.missingReferences ?? 0) >= 1)
  assert.ok((current?.missingBytes ?? 0) > 0)
  go()
  await syncing
  assert.equal(site.board.read().current, undefined)
})
