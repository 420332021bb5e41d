import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { loadEpoch } from '../../../modules/connected-registry/src/children/epoch.ts'
import { createFeed, type FeedRequest } from '../../../modules/connected-registry/src/children/feed.ts'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { formatCursor, parseCursor } from '../../../modules/connected-registry/src/protocol/gateway.ts'
import { createChangeLog, type NewChange } from '../../../modules/connected-registry/src/registry/changes.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import { aChild, dayMs } from './some-children.ts'

const digest = digestOf(Buffer.from('x'))
const start = Date.parse('2026-03-01T00:00:00Z')

/** A cursor at a change of the first moment. */
const at = (sequence: number) => `${sequence}.store-1-${start.toString(36)}`

function aChange(change: Partial<NewChange> = {}): NewChange {
  const base = { action: 'tag', repository: 'app/web', tag: 'v1', digest, mediaType: 'm', size: 1 } as const
  return { ...base, origin: 'client:line-1', ...change }
}

async function aFeed(storeId = 'store-1') {
  let nowMs = start
  const records = createMemoryRecordStore()
  const log = await createChangeLog(records, () => new Date(nowMs))
  const epoch = await loadEpoch(records, storeId)
  const feed = createFeed({ changes: log, epoch, now: () => nowMs })
  const read = (request: Partial<FeedRequest> = {}) =>
    feed.read({
      child: aChild(),
      limit: 100,
      waitMs: 0,
      currentEtag: () => '"e"',
      signal: new AbortController().signal,
      ...request
    })
  return {
    log,
    feed,
    epoch,
    read,
    change: (...changes: readonly Partial<NewChange>[]) => log.commit(changes.map(aChange), {}),
    pass: (ms: number) => {
      nowMs += ms
    }
  }
}

test('a child begins with a cursor and no messages, then reads what happened after it, once', async () => {
  const { read, change } = await aFeed()
  await change({ tag: 'before' })

  const begun = await read()
  await change({ tag: 'v2' }, { action: 'push', tag: undefined })
  const page = await read({ after: begun.next })

  assert.deepEqual(begun, { messages: [], next: at(1) })
  assert.deepEqual(page, {
    messages: [
      { kind: 'artifact', sequence: 2, repository: 'app/web', reference: 'v2' },
      { kind: 'artifact', sequence: 3, repository: 'app/web', reference: digest }
    ],
    next: at(3)
  })
  assert.deepEqual(await read({ after: page.next }), { messages: [], next: at(3) })
})

test('a child hears of its own repositories only, and not what it brought itself', async () => {
  const { read, change } = await aFeed()
  await change(
    { repository: 'other' },
    { origin: 'child:site-a', tag: 'own' },
    { origin: 'child:site-b', tag: 'of-another' },
    { origin: 'parent', tag: 'from-above' },
    { origin: 'sync', tag: 'v1-conflict' }
  )

  const { messages, next } = await read({ after: '0.store-1' })

  assert.deepEqual(
    messages.map((message) => message.kind === 'artifact' && message.reference),
    ['of-another', 'from-above', 'v1-conflict']
  )
  assert.equal(next, at(5))
})

test('of a reference that changed often one message comes, and the next page begins where this one ended', async () => {
  const { read, change } = await aFeed()
  await change(...Array.from({ length: 30 }, (_, at) => ({ tag: `v${at % 3}` })))

  const first = await read({ after: '0.store-1', limit: 2 })
  const second = await read({ after: first.next, limit: 100 })

  assert.equal(first.messages.length, 2)
  assert.equal(first.next, at(2))
  assert.equal(second.messages.length, 3)
  assert.equal(second.next, at(30))
})

test('whoever waits is answered when something happens in its repositories, and with nothing when the time is over', async () => {
  const { read, change, pass } = await aFeed()
  const waiting = read({ after: '0.store-1', waitMs: 60_000 })
  await change({ repository: 'other' })
  await change({ tag: 'news' })

  const { messages } = await waiting
  pass(1)
  const nothing = await read({ after: '2.store-1', waitMs: 5 })

  assert.deepEqual(
    messages.map((message) => message.kind === 'artifact' && message.reference),
    ['news']
  )
  assert.deepEqual(nothing, { messages: [], next: at(2) })
})

test('a thousand who wait are woken by one change and read the log once', async () => {
  const { log, read, change } = await aFeed()
  let looks = 0
  const { since } = log
  Object.assign(log, {
    since: (after: number, limit: number) => {
      looks++
      return since(after, limit)
    }
  })
  const waiting = Array.from({ length: 1000 }, (_, at) =>
    read({ child: aChild({ name: `site-${at}` }), after: '0.store-1', waitMs: 60_000 })
  )
  await change({ tag: 'news' })

  const pages = await Promise.all(waiting)

  assert.ok(pages.every(({ messages }) => messages.length === 1))
  assert.ok(looks <= 2, `${looks} looks`)
})

test('whoever leaves stops waiting, and at the end all are answered', async () => {
  const { feed, read } = await aFeed()
  const leaving = new AbortController()
  const gone = read({ after: '0.store-1', waitMs: 60_000, signal: leaving.signal })
  const patient = read({ after: '0.store-1', waitMs: 60_000 })

  leaving.abort(new Error('left'))
  await assert.rejects(gone, { message: 'left' })
  feed.close()

  assert.deepEqual(await patient, { messages: [], next: '0.store-1' })
  assert.deepEqual(await read({ after: '0.store-1', waitMs: 60_000 }), { messages: [], next: '0.store-1' })
})

test('of a child four may wait: the oldest is answered where a newer one comes, and other children wait on', async () => {
  const { feed, read } = await aFeed()
  const answered: string[] = []
  const wait = (name: string, at: number) =>
    read({ child: aChild({ name }), after: '0.store-1', waitMs: 60_000 }).then(() => answered.push(`${name} ${at}`))
  const patient = wait('site-b', 0)

  const waiting = [0, 1, 2, 3, 4, 5].map((at) => wait('site-a', at))
  await Promise.all(waiting.slice(0, 2))

  assert.deepEqual(answered, ['site-a 0', 'site-a 1'])
  feed.close()
  await Promise.all([patient, ...waiting])
})

test('a look that fails is not kept: the next one may succeed', async () => {
  const { log, read, change } = await aFeed()
  await change({})
  const { since } = log
  Object.assign(log, { since: () => Promise.reject(new Error('the disk is away')) })

  await assert.rejects(read({ after: '0.store-1' }), { message: 'the disk is away' })
  Object.assign(log, { since })

  assert.equal((await read({ after: '0.store-1' })).messages.length, 1)
})

test('another config than the one the child knows is a message, also while it waits', async () => {
  const { feed, read } = await aFeed()
  let etag = '"one"'
  const currentEtag = () => etag

  const known = read({ after: '0.store-1', etag: '"one"', currentEtag, waitMs: 60_000 })
  etag = '"two"'
  feed.wake()

  assert.deepEqual((await known).messages, [{ kind: 'config', sequence: 0, etag: '"two"' }])
  assert.deepEqual((await read({ after: '0.store-1', etag: '"two"', currentEtag })).messages, [])
})

test('a cursor at a change that this store does not know, or knows as another one, begins another epoch, once', async () => {
  const { read, change, epoch } = await aFeed()
  await change({}, {})
  const followed = at(3)

  await assert.rejects(read({ after: followed }), { code: 'MESSAGES_EXPIRED' })
  const renewed = epoch.current
  await assert.rejects(read({ after: followed.replace('store-1', renewed) }), { code: 'MESSAGES_EXPIRED' })

  assert.notEqual(renewed, 'store-1')
  assert.equal(epoch.current, renewed)
  assert.match((await read()).next, new RegExp(`^2.${renewed}-`))

  const grown = await aFeed()
  grown.pass(1)
  await grown.change({}, {}, {}, {})
  await assert.rejects(grown.read({ after: followed }), { code: 'MESSAGES_EXPIRED' })
  assert.notEqual(grown.epoch.current, 'store-1')
})

test('a store that was put back twice to one backup is of another epoch than before both times', async () => {
  const once = await aFeed()
  await assert.rejects(once.read({ after: at(1) }), { code: 'MESSAGES_EXPIRED' })
  const { next } = await once.read()
  await assert.rejects(once.read({ after: at(1) }), { code: 'MESSAGES_EXPIRED' })
  const again = await aFeed()

  await assert.rejects(again.read({ after: next }), { code: 'MESSAGES_EXPIRED' })

  assert.ok(!['store-1', once.epoch.current].includes(again.epoch.current))
})

test('a cursor at a change as it is known here begins no other epoch, with its stamp or without', async () => {
  const { read, change, epoch } = await aFeed()
  await change({}, {})

  await read({ after: at(2) })
  await read({ after: '2.store-1' })
  await read({ after: at(1) })

  assert.equal(epoch.current, 'store-1')
})

test('a cursor of another store, from the future or too old is expired; what is none is refused', async () => {
  const { log, read, change, pass, epoch } = await aFeed()
  await change({})

  for (const after of ['0.store-2', '2.store-1', '9007199254740991.store-1']) {
    await assert.rejects(read({ after }), { code: 'MESSAGES_EXPIRED', status: 410 }, after)
  }
  for (const after of ['', 'x', '1', '-1.store-1', '1.store-1; drop', '99999999999999999999.store-1']) {
    await assert.rejects(read({ after }), { code: 'GATEWAY_INVALID', status: 400 }, after)
  }
  await log.trim({ before: new Date(start - 1), keep: 0 })
  await assert.rejects(read({ after: `0.${epoch.current}` }), { code: 'MESSAGES_EXPIRED' })
  await change({})
  pass(3 * dayMs)
  await assert.rejects(read({ after: `1.${epoch.current}` }), { code: 'MESSAGES_EXPIRED' })
  assert.deepEqual((await read({ after: `2.${epoch.current}` })).messages, [])
})

test('a cursor is read as it was written', () => {
  const epochs = fc.stringMatching(/^[A-Za-z0-9-]{1,64}$/)
  fc.assert(
    fc.property(fc.nat(Number.MAX_SAFE_INTEGER), epochs, (sequence, epoch) => {
      assert.deepEqual(parseCursor(formatCursor({ sequence, epoch })), { sequence, epoch })
    })
  )
  fc.assert(
    fc.property(fc.string(), (text) => {
      const cursor = parseCursor(text)
      if (cursor) assert.ok(cursor.sequence >= 0 && /^[A-Za-z0-9-]+$/.test(cursor.epoch))
    })
  )
})
