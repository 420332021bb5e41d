// Run with a limit on the size of files (`ulimit -f`): a write beyond it fails as on a full disk.
import { digestOf } from '../../../../modules/connected-registry/src/protocol/digest.ts'
import { createFilesystemBlobStore } from '../../../../modules/connected-registry/src/storage/filesystem.ts'
import { storePaths } from '../../../../modules/connected-registry/src/storage/layout.ts'
import { inChunks } from '../../../contracts/blob-content.ts'
import { randomBytes } from '../../../fixtures/random-bytes.ts'

const store = await createFilesystemBlobStore(storePaths(process.argv[2] ?? ''))
const id = await store.beginUpload()
const tooLarge = randomBytes('too large', 3 * 1024 * 1024)
const refused = await store.append(id, inChunks(tooLarge, 100_000), { at: 0 }).then(
  () => 'nothing',
  (error: { code?: string }) => error.code
)

const size = (await store.uploadState(id))?.size ?? -1
const other = randomBytes('smaller', 1000)
await store.append(id, inChunks(other, 100), { at: size })
const committed = await store.commit(id, digestOf(Buffer.concat([tooLarge.subarray(0, size), other])))
const kept = await store.stat(committed.digest)
await store.close()
process.stdout.write(JSON.stringify({ refused, size, committed: committed.size, kept: kept?.size }))
