import { createMemoryBlobStore } from '../../../modules/connected-registry/src/storage/memory-blobs.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import { blobStoreContract } from '../../contracts/blob-store.ts'
import { recordStoreContract } from '../../contracts/record-store.ts'
import { counted } from './counted.ts'

// What counts the calls of a store is a store like any other.
blobStoreContract('counted', async (t) => {
  const store = counted(createMemoryBlobStore(), () => {})
  t.after(() => store.close())
  return store
})

recordStoreContract('counted', async (t) => {
  const store = counted(createMemoryRecordStore(), () => {})
  t.after(() => store.close())
  return store
})
