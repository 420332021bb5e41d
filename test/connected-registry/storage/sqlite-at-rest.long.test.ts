import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createSqliteRecordStore } from '../../../modules/connected-registry/src/storage/sqlite.ts'
import { recordStoreContract } from '../../contracts/record-store.ts'
import { temporaryFolder } from './temporary-folder.ts'

// Nearly each commit waits for a writer that ends and one that starts.
recordStoreContract('sqlite, its writer at rest', async (t: TestContext) => {
  const store = await createSqliteRecordStore(join(await temporaryFolder(), 'records.sqlite'), { restMs: 0 })
  t.after(() => store.close())
  return store
})
