import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { RecordStore } from '../../modules/connected-registry/src/storage/record-store.ts'
import { assertEntries, named } from './record-entries.ts'

/** What a persistent medium keeps over a restart. `create` gives the store and a way to open it again. */
export function persistentRecordStoreContract(
  name: string,
  create: (t: TestContext) => Promise<{ store: RecordStore; reopen: () => Promise<RecordStore> }>
): void {
  describe(`${name}: restart`, () => {
    test('records are still here', async (t) => {
      const { store, reopen } = await create(t)
      await store.commit({ put: named({ a: { x: [1] }, b: new Uint8Array([1]), gone: 1 }) })
      await store.commit({ remove: ['gone'] })

      const reopened = await reopen()

      assertEntries(await reopened.list('', { limit: 10 }), named({ a: { x: [1] }, b: new Uint8Array([1]) }))
    })

    test('close waits for the commits that were asked for, and takes no more', async (t) => {
      const { store, reopen } = await create(t)
      const commits = Array.from({ length: 600 }, (_, index) => store.commit({ put: [[`key:${index}`, index]] }))

      const closing = store.close()
      const late = assert.rejects(store.commit({ put: named({ late: 1 }) }), { code: 'STORE_CLOSED' })
      await closing

      await Promise.all(commits)
      await late
      const reopened = await reopen()
      assert.equal((await reopened.list('key:', { limit: 1000 })).length, 600)
      assert.equal(await reopened.get('late'), undefined)
    })
  })
}
