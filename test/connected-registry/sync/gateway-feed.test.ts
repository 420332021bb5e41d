import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Mode } from '../../../modules/connected-registry/src/access/authorize.ts'
import { loadEpoch } from '../../../modules/connected-registry/src/children/epoch.ts'
import { createFeed } from '../../../modules/connected-registry/src/children/feed.ts'
import { ParentError } from '../../../modules/connected-registry/src/parent/parent-error.ts'
import type { ParentRegistry } from '../../../modules/connected-registry/src/parent/parent-registry.ts'
import type { RegistryError } from '../../../modules/connected-registry/src/protocol/errors.ts'
import { createChangeLog } from '../../../modules/connected-registry/src/registry/changes.ts'
import { keys } from '../../../modules/connected-registry/src/storage/layout.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import type { RecordStore } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { createFeedReader } from '../../../modules/connected-registry/src/sync/gateway-feed.ts'
import type { GatewaySession, SessionState } from '../../../modules/connected-registry/src/sync/gateway-session.ts'
import { createOutbound, type Outbound } from '../../../modules/connected-registry/src/sync/outbound.ts'
import { aChild } from '../children/some-children.ts'
import { openRegistry } from '../registry/open-registry.ts'

const url = new URL('https://parent.example/acr/gateway/v1')
const { signal } = new AbortController()

interface ReaderOptions {
  readonly records?: RecordStore
  readonly outbound?: Pick<Outbound, 'retryRefused'>
  /** Of the parent. */
  readonly mode?: Mode
}

/** A parent that was put back to when nothing had happened yet, and a child that has heard of its third change. */
async function aReader(options: ReaderOptions = {}) {
  const {
    records = createMemoryRecordStore(),
    outbound = { retryRefused: async () => {} },
    mode = 'ReadWrite'
  } = options
  const parents = createMemoryRecordStore()
  const epoch = await loadEpoch(parents, 'store-1')
  const changes = await createChangeLog(parents, () => new Date())
  const feed = createFeed({ changes, epoch, now: Date.now })
  let state: SessionState = 'active'
  let isActivated = true
  const refuse = (status: number, parentCode: string) =>
    new ParentError('BAD_ANSWER', { operation: 'messages', url, status, parentCode })
  const messages: ParentRegistry['gateway']['messages'] = async (_, { after, limit }) => {
    if (!isActivated) throw refuse(409, 'NOT_ACTIVATED')
    const request = { child: aChild(), limit, waitMs: 0, currentEtag: () => '"e"', signal }
    return feed.read({ ...request, ...(after && { after }) }).catch((error: RegistryError) => {
      throw refuse(error.status, error.code)
    })
  }
  const standing = { epoch: 'store-1', isSynced: true, isReadOnly: mode === 'ReadOnly' }
  const gateway = { messages, standing }
  const parent = { host: 'parent.example', registryName: 'site-1', gateway } as unknown as ParentRegistry
  const session = {
    get state() {
      return state
    },
    etag: '"e"',
    refused() {
      state = 'refused'
    }
  } as unknown as GatewaySession
  const kept = { parent: 'site-1 of parent.example', heard: '3.store-1' }
  if (!(await records.get(keys.feedCursor))) await records.commit({ put: [[keys.feedCursor, kept]] })
  const instance = { instanceId: 'one', version: '1' }
  const engine = () => ({ sync: async () => undefined })
  const lastIteration = () => undefined
  const onChange = () => undefined
  const reader = createFeedReader({
    parent,
    instance,
    session,
    records,
    outbound,
    engine,
    lastIteration,
    onChange,
    waitSeconds: 0
  })
  return {
    reader,
    epoch,
    state: () => state,
    deactivate: () => {
      isActivated = false
    }
  }
}

test('a parent that was put back is shown what was heard of it, also by who begins anew', async () => {
  const { reader, epoch } = await aReader()

  await reader.turn(signal)

  assert.notEqual(epoch.current, 'store-1')
})

test('a parent that was put back to before it knew its child confirms nothing until the child is let in again', async () => {
  const { reader, deactivate, state } = await aReader()
  deactivate()

  await assert.rejects(reader.confirm(signal), { parentCode: 'NOT_ACTIVATED' })
  assert.equal(state(), 'refused')

  // Somebody else has its name: what there is may be had as from any registry.
  await reader.confirm(signal)
})

test('what a ReadOnly parent refused is asked again once it is ReadWrite, also after a restart in between and while no window is open', async (t) => {
  const { registry, records } = await openRegistry(t)
  const outbound = createOutbound({ registry, records })
  const refusal = { local: null, parent: null, code: 'DENIED', at: '2026-01-01T00:00:00Z' }
  const refused = { put: [[keys.outbound('app', 'v1'), { sequence: 1, refusal }]] } as const
  await records.commit(refused)
  const turn = async (mode: Mode) => (await aReader({ records, outbound, mode })).reader.turn(signal)

  await turn('ReadOnly')
  assert.deepEqual(await outbound.get('app', 'v1'), { sequence: 1, refusal })
  await turn('ReadWrite')
  assert.deepEqual(await outbound.get('app', 'v1'), { sequence: 1 })

  await records.commit(refused)
  await turn('ReadWrite')
  assert.deepEqual(await outbound.get('app', 'v1'), { sequence: 1, refusal }, 'that was another reason')
})
