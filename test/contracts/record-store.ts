import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import fc from 'fast-check'
import {
  type Batch,
  ConflictError,
  type Json,
  type RecordStore,
  type Value
} from '../../modules/connected-registry/src/storage/record-store.ts'
import { randomBytes } from '../fixtures/random-bytes.ts'
import { assertEntries, assertValue, named } from './record-entries.ts'
import { createModel, step } from './record-model.ts'

/** What every record store does. `create` closes what it opens when the test is over. */
export function recordStoreContract(name: string, create: (t: TestContext) => Promise<RecordStore>): void {
  describe(`${name}: records`, () => {
    test('values of every kind come back as they went in', async (t) => {
      const store = await create(t)
      const values: readonly Value[] = [
        'text',
        '',
        '"quoted" \u0000 \u{1f40b}',
        0,
        -1.5,
        2 ** 53,
        true,
        false,
        null,
        [],
        {},
        [1, [null, { a: [] }]],
        { b: { z: 1, a: 2 }, a: 'x', __proto__: null, 10: 'ten', 9: 'nine' },
        new Uint8Array(),
        new Uint8Array([0, 255, 123, 125]),
        randomBytes('manifest', 4 * 1024 * 1024)
      ]

      await store.commit({ put: values.map((value, index) => [`key:${index}`, value]) })

      for (const [index, value] of values.entries()) assertValue(await store.get(`key:${index}`), value)
      assert.equal(await store.get('key:'), undefined)
    })

    test('a key of an object that is undefined is left out', async (t) => {
      const store = await create(t)

      await store.commit({ put: [['key', { a: 1, b: undefined }]] })

      assert.deepEqual(await store.get('key'), { a: 1 })
      await store.commit({ expect: [['key', { b: undefined, a: 1 }]] })
    })

    test('a key named __proto__ is a key like any other', async (t) => {
      const store = await create(t)
      const value = JSON.parse('{"__proto__":{"a":1},"b":2}') as Json

      await store.commit({ put: [['key', value]] })

      assert.equal(JSON.stringify(await store.get('key')), JSON.stringify(value))
    })

    test('what the caller does with a value later changes nothing here', async (t) => {
      const store = await create(t)
      const value = { list: [1] }
      const bytes = new Uint8Array([1, 2])
      const committing = store.commit({
        put: [
          ['value', value],
          ['bytes', bytes]
        ]
      })

      value.list.push(2)
      bytes[0] = 9
      await committing
      const given = (await store.get('bytes')) as Uint8Array
      given[1] = 9

      assert.deepEqual(await store.get('value'), { list: [1] })
      assertValue(await store.get('bytes'), new Uint8Array([1, 2]))
    })

    test('a batch removes and puts together, and what is put stays', async (t) => {
      const store = await create(t)
      await store.commit({ put: named({ a: 1, b: 2, c: 3 }) })

      await store.commit({ put: named({ b: 4, d: 5 }), remove: ['a', 'b', 'never there'] })

      assert.deepEqual(await store.list('', { limit: 10 }), named({ b: 4, c: 3, d: 5 }))
    })

    test('the last of two puts of one key counts', async (t) => {
      const store = await create(t)

      await store.commit({ put: [...named({ a: 1 }), ...named({ a: 2 })] })

      assert.equal(await store.get('a'), 2)
    })

    test('a batch whose expectation does not hold changes nothing and names the key', async (t) => {
      const store = await create(t)
      await store.commit({ put: named({ a: { x: 1, y: [1] }, bytes: new Uint8Array([1]) }) })
      const wrong: readonly Batch['expect'][] = [
        [['a', undefined]],
        [['a', { x: 1, y: [2] }]],
        [['a', '{"x":1,"y":[1]}']],
        [['bytes', new Uint8Array([2])]],
        [['bytes', '\u0001']],
        [['missing', null]],
        [
          ['a', { x: 1, y: [1] }],
          ['missing', 1]
        ]
      ]

      for (const expect of wrong) {
        const key = expect?.at(-1)?.[0]
        const refused = store.commit({ expect, put: named({ a: 'changed', z: 1 }), remove: ['bytes'] })
        await assert.rejects(refused, (error) => error instanceof ConflictError && error.key === key)
      }

      assert.deepEqual(
        (await store.list('', { limit: 10 })).map(([key]) => key),
        ['a', 'bytes']
      )
      assert.deepEqual(await store.get('a'), { x: 1, y: [1] })
    })

    test('an expectation compares values, whatever the order of their keys', async (t) => {
      const store = await create(t)
      await store.commit({ put: named({ a: { x: 1, y: { p: 1, q: 2 } }, bytes: new Uint8Array([1, 2]) }) })

      await store.commit({
        expect: [
          ['a', { y: { q: 2, p: 1 }, x: 1 }],
          ['bytes', new Uint8Array([1, 2])],
          ['b', undefined]
        ],
        put: named({ b: 1 })
      })

      assert.equal(await store.get('b'), 1)
    })

    test('batches are applied in the order of the calls, and one conflict is not the next batch’s', async (t) => {
      const store = await create(t)
      const steps = Array.from({ length: 100 }, (_, index) => index)

      const commits = steps.flatMap((step) => [
        store.commit({ expect: [['n', step === 0 ? undefined : step - 1]], put: named({ n: step }) }),
        store.commit({ expect: [['n', 'never']], put: named({ n: 'never' }) })
      ])
      const outcomes = await Promise.allSettled(commits)

      assert.ok(outcomes.every(({ status }, index) => status === (index % 2 === 0 ? 'fulfilled' : 'rejected')))
      assert.equal(await store.get('n'), 99)
    })

    test('of many who swap one value at the same time, one succeeds', async (t) => {
      const store = await create(t)
      await store.commit({ put: named({ tag: 'old' }) })

      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, (_, index) => store.commit({ expect: [['tag', 'old']], put: named({ tag: index }) }))
      )

      const winners = outcomes.flatMap(({ status }, index) => (status === 'fulfilled' ? [index] : []))
      assert.equal(winners.length, 1)
      assert.equal(await store.get('tag'), winners[0])
    })

    test('what was committed is read by its writer at once, also while others write', async (t) => {
      const store = await create(t)

      await Promise.all(
        Array.from({ length: 16 }, async (_, writer) => {
          for (let turn = 0; turn < 10; turn++) {
            await store.commit({ put: [[`writer:${writer}`, turn]] })
            assert.equal(await store.get(`writer:${writer}`), turn)
          }
        })
      )
    })

    test('a hint that a commit is about to come changes nothing, whenever it is given', async (t) => {
      const store = await create(t)

      store.wake()
      const committing = store.commit({ put: named({ a: 1 }) })
      store.wake()
      await committing
      store.wake()

      assert.deepEqual(await store.list('', { limit: 10 }), named({ a: 1 }))
      await store.close()
      store.wake()
    })

    test('keys come in the order of their bytes', async (t) => {
      const store = await create(t)
      // UTF-16, JavaScript's own order, puts U+10000 before U+FFFD and U+E000.
      const ordered = [
        '',
        'A',
        'Z',
        'a',
        'a\u0000',
        'a!',
        'aa',
        'b',
        '\u007f',
        'é',
        '\ud7ff',
        '\ue000',
        '\ufffd',
        '\u{10000}'
      ]

      await store.commit({ put: ordered.toReversed().map((key) => [key, key]) })

      assert.deepEqual(
        (await store.list('', { limit: 100 })).map(([key]) => key),
        ordered
      )
    })

    test('a page begins after a key, which need not exist, and ends with its prefix or limit', async (t) => {
      const store = await create(t)
      const keys = [
        'r',
        'r:',
        'r:a',
        'r:b',
        'r:c',
        'r;',
        's:a',
        '\ud7ff!',
        '\ue000',
        '\u{10ffff}',
        '\u{10ffff}\u{10ffff}'
      ]
      await store.commit({ put: keys.map((key) => [key, 1]) })
      const page = async (prefix: string, after: string | undefined, limit: number) =>
        (await store.list(prefix, { after, limit })).map(([key]) => key)

      assert.deepEqual(await page('r:', undefined, 10), ['r:', 'r:a', 'r:b', 'r:c'])
      assert.deepEqual(await page('r:', undefined, 2), ['r:', 'r:a'])
      assert.deepEqual(await page('r:', 'r:a', 1), ['r:b'])
      assert.deepEqual(await page('r:', 'r:aa', 10), ['r:b', 'r:c'])
      assert.deepEqual(await page('r:', 'a', 10), ['r:', 'r:a', 'r:b', 'r:c'])
      assert.deepEqual(await page('r:', 'r:c', 10), [])
      assert.deepEqual(await page('r:', 'z', 10), [])
      assert.deepEqual(await page('r:', undefined, 0), [])
      assert.deepEqual(await page('\u{10ffff}', undefined, 10), ['\u{10ffff}', '\u{10ffff}\u{10ffff}'])
      assert.deepEqual(await page('\ud7ff', undefined, 10), ['\ud7ff!'])
      assert.deepEqual(await page('nothing', undefined, 10), [])
    })

    test('any sequence of batches and pages agrees with a plain map', async (t) => {
      const store = await create(t)
      let run = 0

      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
          const model = createModel(`run ${run++}/`)
          for (const { batch, expectations, page } of steps) {
            const withExpect = model.complete(batch, expectations)
            const agreed = model.apply(withExpect)

            const outcome = await store.commit(withExpect).then(
              () => true,
              (error: unknown) => !(error instanceof ConflictError)
            )

            assert.equal(outcome, agreed)
            assertEntries(await store.list(model.prefix + page.prefix, model.pageOf(page)), model.list(page))
          }
          assertEntries(await store.list(model.prefix, { limit: 1000 }), model.list({ prefix: '', limit: 1000 }))
        }),
        { numRuns: 60 }
      )
    })
  })
}
