import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadEpoch } from '../../../modules/connected-registry/src/children/epoch.ts'
import { createFeed } from '../../../modules/connected-registry/src/children/feed.ts'
import { ParentError } from '../../../modules/connected-registry/src/parent/parent-error.ts'
import type { ParentRegistry } from '../../../modules/connected-registry/src/parent/parent-registry.ts'
import type { RegistryError } from '../../../modules/connected-registry/src/protocol/errors.ts'
import { createChangeLog } from '../../../modules/connected-registry/src/registry/changes.ts'
import { keys } from '../../../modules/connected-registry/src/storage/layout.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import { createFeedReader } from '../../../modules/connected-registry/src/sync/gateway-feed.ts'
import type { GatewaySession, SessionState } from '../../../modules/connected-registry/src/sync/gateway-session.ts'
import { aChild } from '../children/some-children.ts'

const url = new URL('https://parent.example/acr/gateway/v1')
const { signal } = new AbortController()

/** A parent that was put back to when nothing had happened yet, and a child that has heard of its third change. */
async function aReader() {
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
  const parent = { host: 'parent.example', registryName: 'site-1', gateway: { messages } } as unknown as ParentRegistry
  const session = {
    get state() {
      return state
    },
    etag: '"e"',
    refused() {
      state = 'refused'
    }
  } as unknown as GatewaySession
  const records = createMemoryRecordStore()
  const kept = { parent: 'site-1 of parent.example', heard: '3.store-1' }
  await records.commit({ put: [[keys.feedCursor, kept]] })
  const instance = { instanceId: 'one', version: '1' }
  const engine = () => ({ sync: async () => undefined })
  const lastIteration = () => undefined
  const onChange = () => undefined
  const reader = createFeedReader({
    parent,
    instance,
    session,
    records,
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
