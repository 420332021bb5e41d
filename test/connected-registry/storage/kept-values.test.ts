import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { createKeptValues } from '../../../modules/connected-registry/src/storage/kept-values.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import type { Batch, RecordStore, Value } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { createSqliteRecordStore } from '../../../modules/connected-registry/src/storage/sqlite.ts'
import { temporaryFolder } from './temporary-folder.ts'

const key = fc.constantFrom('a', 'b', 'c')
const value: fc.Arbitrary<Value> = fc.oneof(
  fc.nat(3),
  fc.constant(null),
  fc.record({ x: fc.nat(3) }),
  fc.uint8Array({ maxLength: 2 })
)
const act = fc.oneof(
  fc.record({ kind: fc.constant('get'), key }),
  fc.record({
    kind: fc.constant('commit'),
    put: fc.array(fc.tuple(key, value), { maxLength: 2 }),
    remove: fc.array(key, { maxLength: 2 }),
    expect: fc.option(fc.tuple(key, value), { nil: undefined }),
    waits: fc.boolean()
  })
)

test('a store that keeps what it reads answers like one that does not, whatever is read and changed', async (t) => {
  const kept = await openSqlite(t)

  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 25 }), async (acts) => {
      await kept.commit({ remove: ['a', 'b', 'c'] })
      const plain = createMemoryRecordStore()
      const running: Promise<void>[] = []
      for (const one of acts) {
        if ('put' in one) running.push(commitBoth(kept, plain, one))
        if ('put' in one && !one.waits) continue
        await Promise.all(running.splice(0))
        if ('key' in one) assert.deepEqual(plainOf(await kept.get(one.key)), plainOf(await plain.get(one.key)))
      }
      await Promise.all(running)
      for (const key of ['a', 'b', 'c']) assert.deepEqual(plainOf(await kept.get(key)), plainOf(await plain.get(key)))
    }),
    { numRuns: 200 }
  )
})

test('a read while its key is written gives the old or the new value, and the new one as soon as the commit resolves', async (t) => {
  const store = await openSqlite(t)
  await store.commit({ put: [['a', 0]] })

  for (let turn = 1; turn <= 50; turn++) {
    const committing = store.commit({ put: [['a', turn]] })
    assert.ok([turn - 1, turn].includes((await store.get('a')) as number))
    await committing
    assert.equal(await store.get('a'), turn)
  }
})

test('nobody changes for others what was read', async (t) => {
  const store = await openSqlite(t)
  await store.commit({ put: [['a', { list: [{ x: 1 }] }]] })
  const given = (await store.get('a')) as { list: { x: number }[] }

  assert.throws(() => given.list.push({ x: 2 }), TypeError)
  assert.throws(() => Object.assign(given.list[0]!, { x: 2 }), TypeError)

  assert.deepEqual(await store.get('a'), { list: [{ x: 1 }] })
})

test('nothing is kept of a key while several works that change it are under way', async () => {
  const values = createKeptValues(1000)
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  values.keep('a', 1, 10)
  const works = [values.during(['a'], () => first.promise), values.during(['a', 'a'], () => second.promise)]
  assert.equal(values.get('a'), undefined)

  first.resolve()
  await works[0]
  values.keep('a', 2, 10)
  assert.equal(values.get('a'), undefined)

  second.reject(new Error('refused'))
  await assert.rejects(works[1]!, /refused/)
  values.keep('a', 3, 10)
  assert.equal(values.get('a'), 3)
})

test('what was not asked for the longest makes room, and what is too large is not kept', () => {
  const values = createKeptValues(100)

  values.keep('asked for', 0, 10)
  for (let index = 0; index < 100; index++) {
    values.keep(`once:${index}`, index, 10)
    assert.equal(values.get('asked for'), 0)
  }
  values.keep('large', 1, 51)

  assert.equal(values.get('once:0'), undefined)
  assert.equal(values.get('once:99'), 99)
  assert.equal(values.get('large'), undefined)
  const held = Array.from({ length: 100 }, (_, index) => values.get(`once:${index}`)).filter((one) => one !== undefined)
  assert.ok(held.length <= 12, `${held.length} values of 10 bytes are kept in 100 bytes`)
})

async function openSqlite(t: TestContext): Promise<RecordStore> {
  const store = await createSqliteRecordStore(join(await temporaryFolder(), 'records.sqlite'))
  t.after(() => store.close())
  return store
}

/** Both take the same, and refuse the same. */
async function commitBoth(
  kept: RecordStore,
  plain: RecordStore,
  { put, remove, expect }: { put: [string, Value][]; remove: string[]; expect?: [string, Value] }
): Promise<void> {
  const batch: Batch = { put, remove, expect: expect && [expect] }
  const [one, other] = await Promise.allSettled([kept.commit(batch), plain.commit(batch)])
  assert.equal(one.status, other.status)
}

function plainOf(value: Value | undefined): unknown {
  return value instanceof Uint8Array ? [...value] : value
}
