import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import { recordStoreContract } from '../../contracts/record-store.ts'

recordStoreContract('memory', async (t) => {
  const store = createMemoryRecordStore()
  t.after(() => store.close())
  return store
})
