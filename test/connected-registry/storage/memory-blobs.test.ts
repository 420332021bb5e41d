import { createMemoryBlobStore } from '../../../modules/connected-registry/src/storage/memory-blobs.ts'
import { blobStoreContract } from '../../contracts/blob-store.ts'

blobStoreContract('memory', async (t) => {
  const store = createMemoryBlobStore()
  t.after(() => store.close())
  return store
})
