import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Batch, Entry, Json, Value } from '../../modules/connected-registry/src/storage/record-store.ts'

const characters = fc.constantFrom('a', 'b', '/', ':', '\u0000', '\uffff', '\u{1f40b}')
const key = fc.array(characters, { maxLength: 3 }).map((parts) => parts.join(''))
const json = fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.parse(JSON.stringify(value)) as Json)
const value: fc.Arbitrary<Value> = fc.oneof(json, fc.uint8Array({ maxLength: 5 }))
const pageOptions = fc.record(
  { prefix: key, after: key, limit: fc.integer({ min: 0, max: 5 }) },
  { requiredKeys: ['prefix', 'limit'] }
)
export const step = fc.record({
  batch: fc.record({
    put: fc.array(fc.tuple(key, value), { maxLength: 4 }),
    remove: fc.array(key, { maxLength: 2 })
  }),
  expectations: fc.array(fc.record({ key, holds: fc.boolean(), other: fc.option(value, { nil: undefined }) }), {
    maxLength: 2
  }),
  page: pageOptions
})

interface PageOptions {
  readonly prefix: string
  readonly after?: string
  readonly limit: number
}

/** The simplest thing that keeps records: a map of plain values, sorted when it is asked. */
export function createModel(prefix: string) {
  const records = new Map<string, Value>()
  const inside = (key: string) => prefix + key

  return {
    prefix,
    complete(
      batch: { put: [string, Value][]; remove: string[] },
      expectations: readonly { key: string; holds: boolean; other: Value | undefined }[]
    ): Batch {
      return {
        put: batch.put.map(([key, value]) => [inside(key), value]),
        remove: batch.remove.map(inside),
        expect: expectations.map(({ key, holds, other }) => [inside(key), holds ? records.get(inside(key)) : other])
      }
    },
    apply({ put = [], remove = [], expect = [] }: Batch): boolean {
      if (!expect.every(([key, value]) => isSame(records.get(key), value))) return false
      for (const key of remove) records.delete(key)
      for (const [key, value] of put) records.set(key, value)
      return true
    },
    pageOf: ({ after, limit }: PageOptions) => ({ limit, ...(after === undefined ? {} : { after: inside(after) }) }),
    list(page: PageOptions): readonly Entry[] {
      return [...records]
        .filter(([key]) => key.startsWith(inside(page.prefix)))
        .filter(([key]) => page.after === undefined || bytesOf(key).compare(bytesOf(inside(page.after))) > 0)
        .sort(([one], [other]) => bytesOf(one).compare(bytesOf(other)))
        .slice(0, page.limit)
    }
  }
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'utf8')
}

function isSame(one: Value | undefined, other: Value | undefined): boolean {
  try {
    assert.deepStrictEqual(one, other)
    return true
  } catch {
    return false
  }
}
