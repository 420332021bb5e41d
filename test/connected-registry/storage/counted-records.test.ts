import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { countRecords } from '../../../modules/connected-registry/src/storage/counted-records.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import type { Value } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { recordStoreContract } from '../../contracts/record-store.ts'

recordStoreContract('counted', async () => countRecords(createMemoryRecordStore()))

const names = fc.constantFrom('a', 'b', 'c', 'd')
const values: fc.Arbitrary<readonly [string, Value]> = fc.oneof(
  names.map((name) => [`repository:${name}`, {}] as const),
  fc.tuple(names, fc.boolean()).map(([name, manifest]) => [`link:app:${name}`, { manifest }] as const),
  fc.tuple(names, fc.nat(9)).map(([name, length]) => [`manifest:${name}`, new Uint8Array(length)] as const),
  names.map((name) => [`tag:app:${name}`, {}] as const)
)
const batches = fc.array(
  fc.record({
    put: fc.array(values, { maxLength: 4 }),
    remove: fc.array(values, { maxLength: 4 }),
    expects: fc.boolean()
  }),
  { maxLength: 12 }
)

test('what is kept up is what a new count finds, whatever is written and whenever counting began', async () => {
  await fc.assert(
    fc.asyncProperty(batches, fc.nat(12), async (all, countAt) => {
      const plain = createMemoryRecordStore()
      const records = countRecords(plain)
      const read = async ({ totals }: ReturnType<typeof countRecords>) =>
        Promise.all(Object.values(totals).map((total) => total.read()))

      for (const [at, { put, remove, expects }] of all.entries()) {
        if (at === countAt) await read(records)
        const written = new Map(put)
        const removed = new Set(remove.map(([key]) => key).filter((key) => !written.has(key)))
        const touched = [...written.keys(), ...removed]
        const expect = expects ? touched.map((key) => [key, plain.get(key) as Value | undefined] as const) : []
        await records.commit({ put: [...written], remove: [...removed], expect })
      }

      assert.deepEqual(await read(records), await read(countRecords(plain)))
    })
  )
})

test('a batch that is refused changes no figure', async () => {
  const records = countRecords(createMemoryRecordStore())
  await records.commit({ put: [['repository:app', {}]] })
  const before = await records.totals.repositories.read()

  await assert.rejects(records.commit({ put: [['repository:b', {}]], expect: [['repository:app', 'other']] }), {
    code: 'CONFLICT'
  })

  assert.deepEqual(await records.totals.repositories.read(), before)
})
