import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { createReporter, type ReportLink } from '@connected-registry/edge-module/reporter.ts'
import { type JsonObject, mergePatch, sizeBytes } from '@connected-registry/edge-module/twin.ts'
import { recordedLog } from './edge-device.ts'

const intervalMs = 30_000

/** A reporter on a clock that stands still, and a hub that answers when told to. */
function aReporter(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  const log = recordedLog()
  const reporter = createReporter({
    minimumIntervalMs: intervalMs,
    retry: { minimumMs: 1_000, maximumMs: 8_000 },
    log: log.log,
    now: Date.now
  })
  return {
    reporter,
    log,
    async elapse(ms: number) {
      t.mock.timers.tick(ms)
      await settle()
    }
  }
}

function aLink(held: JsonObject = {}) {
  const patches: JsonObject[] = []
  const link = { held, patches, refuses: undefined as Error | undefined, gate: Promise.resolve() }
  const report: ReportLink['report'] = async (patch) => {
    patches.push(patch)
    await link.gate
    if (link.refuses) throw link.refuses
    link.held = mergePatch(link.held, patch)
  }
  return Object.assign(link, { report, reported: async () => link.held })
}

/** Lets everything that waits for nothing but promises go on. */
async function settle(): Promise<void> {
  for (let round = 0; round < 5; round++) await turn()
}

test('the first report of a connection goes at once, and nulls what is not wanted any more', async (t) => {
  const { reporter } = aReporter(t)
  const link = aLink({ stale: 1, mode: 'ReadOnly' })
  reporter.want({ mode: 'ReadOnly', pending: 2 })

  reporter.connected(link, { ...link.held, $version: 7 })
  await settle()

  assert.deepEqual(link.patches, [{ stale: null, pending: 2 }])
  assert.deepEqual(link.held, { mode: 'ReadOnly', pending: 2 })
})

test('nothing is sent when the hub holds what is wanted', async (t) => {
  const { reporter, elapse } = aReporter(t)
  const link = aLink({ a: { b: [1] } })

  reporter.connected(link, link.held)
  reporter.want({ a: { b: [1] } })
  await elapse(intervalMs)

  assert.deepEqual(link.patches, [])
})

test('between two reports the interval passes, and only the latest state is sent then', async (t) => {
  const { reporter, elapse } = aReporter(t)
  const link = aLink()
  reporter.connected(link, {})
  for (const step of [1, 2, 3]) {
    reporter.want({ step })
    await settle()
  }
  await elapse(intervalMs - 1)
  assert.deepEqual(link.patches, [{ step: 1 }])

  await elapse(1)

  assert.deepEqual(link.patches, [{ step: 1 }, { step: 3 }])
})

test('an urgent report does not wait for the interval', async (t) => {
  const { reporter } = aReporter(t)
  const link = aLink()
  reporter.connected(link, {})
  reporter.want({ step: 1 })
  await settle()

  reporter.want({ step: 2 }, { urgent: true })
  await settle()

  assert.deepEqual(link.patches, [{ step: 1 }, { step: 2 }])
})

test('what becomes urgent while a report is under way goes at once behind it', async (t) => {
  const { reporter } = aReporter(t)
  const link = aLink()
  const gate = Promise.withResolvers<void>()
  link.gate = gate.promise
  reporter.connected(link, {})
  reporter.want({ step: 1 })
  await settle()

  reporter.want({ step: 2 }, { urgent: true })
  gate.resolve()
  await settle()

  assert.deepEqual(link.held, { step: 2 })
})

test('one report is under way at a time', async (t) => {
  const { reporter } = aReporter(t)
  const link = aLink()
  const gate = Promise.withResolvers<void>()
  link.gate = gate.promise
  reporter.connected(link, {})
  for (const step of [1, 2, 3]) reporter.want({ step }, { urgent: true })
  await settle()
  assert.deepEqual(link.patches, [{ step: 1 }])

  gate.resolve()
  reporter.want({ step: 4 }, { urgent: true })
  await settle()
  reporter.want({ step: 5 }, { urgent: true })
  await settle()

  assert.deepEqual(link.held, { step: 5 })
})

test('a refused report is repeated with growing waits, urgent or not', async (t) => {
  const { reporter, elapse } = aReporter(t)
  const link = aLink()
  link.refuses = new Error('edgeHub answered 500')
  reporter.connected(link, {})
  reporter.want({ step: 1 })
  await settle()
  reporter.want({ step: 2 }, { urgent: true })
  await settle()
  assert.equal(link.patches.length, 1)

  for (const waitMs of [1_000, 2_000, 4_000]) await elapse(waitMs)
  assert.equal(link.patches.length, 4)
  link.refuses = undefined
  await elapse(8_000)

  assert.deepEqual(link.held, { step: 2 })
})

test('a report that was applied although its answer was lost does not stay behind', async (t) => {
  const { reporter, elapse } = aReporter(t)
  const link = aLink()
  const lost = link.report
  link.report = async (patch) => {
    await lost(patch)
    throw new Error('no answer')
  }
  reporter.connected(link, {})
  reporter.want({ step: 1 })
  await settle()
  link.report = lost
  reporter.want({})

  await elapse(1_000)

  assert.deepEqual(link.held, {})
})

test('a report that fails with its connection leaves the next one free to begin at once', async (t) => {
  const { reporter } = aReporter(t)
  const first = aLink()
  const gate = Promise.withResolvers<void>()
  first.gate = gate.promise
  first.refuses = new Error('connection closed')
  reporter.connected(first, {})
  reporter.want({ step: 1 })
  reporter.disconnected()
  gate.resolve()
  await settle()
  const second = aLink({ step: 0 })

  reporter.connected(second, second.held)
  await settle()

  assert.deepEqual(second.patches, [{ step: 1 }])
})

test('nothing is sent after the connection has gone', async (t) => {
  const { reporter, elapse } = aReporter(t)
  const link = aLink()
  reporter.connected(link, {})
  reporter.want({ step: 1 })
  await settle()
  reporter.want({ step: 2 })

  reporter.disconnected()
  await elapse(intervalMs)

  assert.deepEqual(link.patches, [{ step: 1 }])
})

test('a state that has nothing in common with a large old one is reported in two documents', async (t) => {
  const { reporter, elapse } = aReporter(t)
  const text = 'x'.repeat(4_000)
  const old = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`${'k'.repeat(900)}${at}`, 'v']))
  const link = aLink(old)
  reporter.want({ new: [text, text, text, text, text] })

  reporter.connected(link, old)
  await settle()
  await elapse(intervalMs)

  assert.deepEqual(link.held, { new: [text, text, text, text, text] })
  assert.equal(link.patches.length, 2)
  assert.ok(link.patches.every((patch) => sizeBytes(patch) <= 32 * 1024))
})

test('what had to be cut is said once in the log', async (t) => {
  const { reporter, log } = aReporter(t)

  for (const step of [1, 2]) reporter.want({ step, 'a.b': 1 })

  assert.deepEqual(
    log.lines.map(({ cut }) => cut),
    [['a.b']]
  )
})
