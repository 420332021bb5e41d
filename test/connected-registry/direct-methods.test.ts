import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '@connected-registry/edge-module/log.ts'
import { createDirectMethods } from '../../modules/connected-registry/src/direct-methods.ts'
import { defaultSettings } from '../../modules/connected-registry/src/settings.ts'
import { createClosedSite, type Site } from '../../modules/connected-registry/src/site.ts'
import type { SyncEngine } from '../../modules/connected-registry/src/sync/engine.ts'
import { createStatusBoard, type IterationSummary } from '../../modules/connected-registry/src/sync/status.ts'

const ended: IterationSummary = {
  correlationId: 'c',
  startedAt: '2026-01-01T00:00:00Z',
  endedAt: '2026-01-01T00:00:01Z',
  result: 'Succeeded',
  artifacts: 2,
  bytes: 10,
  removed: 0,
  sent: { artifacts: 0, bytes: 0 }
}
const summary = { statusDetails: [{ code: 'NO_PARENT' }] }
const reporting = { status: async () => ({ ...summary, whole: true }), summary: () => summary }

/** A site whose engine does nothing but what the test says. */
async function siteWith(sync: SyncEngine['sync']): Promise<Site> {
  const board = createStatusBoard(() => new Date())
  const closed = await createClosedSite({ settings: () => defaultSettings, board, log: createLog({ module: 'test' }) })
  return { ...closed, engine: { apply: () => {}, sync, reschedule: () => {}, stop: async () => {} } }
}

test('sync answers with what the iteration did, resync asks for a complete one', async () => {
  const asked: unknown[] = []
  const site = await siteWith(async (options) => {
    asked.push(options)
    return ended
  })
  const { sync, resync } = createDirectMethods(() => site, reporting)

  assert.deepEqual(await sync!(undefined), { status: 200, payload: ended })
  assert.deepEqual(await resync!({ any: 'payload' }), { status: 200, payload: ended })
  assert.deepEqual(asked, [{ complete: false }, { complete: true }])
})

test('sync answers before its caller gives up, and the iteration goes on', async () => {
  const site = await siteWith(() => new Promise(() => {}))
  const { sync } = createDirectMethods(() => site, reporting, 1)

  assert.equal((await sync!(undefined)).status, 202)
})

test('sync says why where nothing can be synced', async () => {
  const board = createStatusBoard(() => new Date())
  const closed = await createClosedSite({ settings: () => defaultSettings, board, log: createLog({ module: 'test' }) })

  for (const site of [undefined, closed, await siteWith(async () => undefined)]) {
    const answer = await createDirectMethods(() => site, reporting).sync!(undefined)
    assert.deepEqual(answer, { status: 409, payload: { message: 'nothing can be synced', ...summary } })
  }
})

test('deactivate and readmit say whether there was an instance, and which payload they want', async () => {
  const site = await siteWith(async () => undefined)
  const asked: string[] = []
  const act = (verb: string) => async (name: string) => asked.push(`${verb} ${name}`) < 3
  Object.assign(site.children, { deactivate: act('deactivate'), readmit: act('readmit') })
  const { deactivate, readmit } = createDirectMethods(() => site, reporting)

  assert.equal((await deactivate!({ name: 'layer4' })).status, 200)
  assert.equal((await readmit!({ name: 'layer4' })).status, 200)
  assert.equal((await deactivate!({ name: 'layer4' })).status, 404)
  assert.equal((await readmit!({ name: 'layer4' })).status, 404)
  assert.deepEqual(asked, ['deactivate layer4', 'readmit layer4', 'deactivate layer4', 'readmit layer4'])
  for (const method of [deactivate!, readmit!]) assert.equal((await method({ named: 'layer4' })).status, 400)
})

test('status answers with everything, or with the summary where that is too long for an answer', async () => {
  const long = { ...reporting, status: async () => ({ text: 'x'.repeat(130 * 1024) }) }

  assert.deepEqual(await createDirectMethods(() => undefined, reporting).status!(undefined), {
    status: 200,
    payload: { ...summary, whole: true }
  })
  assert.deepEqual(await createDirectMethods(() => undefined, long).status!(undefined), {
    status: 200,
    payload: summary
  })
})
