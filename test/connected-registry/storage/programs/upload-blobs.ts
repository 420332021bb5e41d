// Uploads blobs until it is killed: `upload-blobs.ts <data volume> <first number>` prints each number once it is committed.
import { digestOf } from '../../../../modules/connected-registry/src/protocol/digest.ts'
import { createFilesystemBlobStore } from '../../../../modules/connected-registry/src/storage/filesystem.ts'
import { storePaths } from '../../../../modules/connected-registry/src/storage/layout.ts'
import { inChunks } from '../../../contracts/blob-content.ts'
import { numberedBlob } from '../numbered-blob.ts'
import { print } from './print.ts'

const [dataVolume = '', first = '0'] = process.argv.slice(2)
const store = await createFilesystemBlobStore(storePaths(dataVolume))
let next = Number(first)

async function uploadOn(): Promise<never> {
  while (true) {
    const number = next++
    const bytes = numberedBlob(number)
    const id = await store.beginUpload()
    const half = Math.floor(bytes.length / 2)
    // In one piece, in two, or as ranges from the back: the three ways bytes arrive.
    const parts = [
      [0, bytes.length],
      [0, half, half, bytes.length],
      [half, bytes.length, 0, half]
    ][number % 3]!
    for (let part = 0; part < parts.length; part += 2) {
      const [from, to] = [parts[part]!, parts[part + 1]!]
      await store.append(id, inChunks(bytes.subarray(from, to), 40_000), { at: from, sparse: number % 3 === 2 })
    }
    await store.commit(id, digestOf(bytes))
    await print(number)
  }
}

await Promise.all(Array.from({ length: 4 }, uploadOn))
