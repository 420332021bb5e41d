// Appends ranges of one upload from the back until it is killed, and prints its id, then `<at> <end>` for each that is here.
import { createFilesystemBlobStore } from '../../../../modules/connected-registry/src/storage/filesystem.ts'
import { storePaths } from '../../../../modules/connected-registry/src/storage/layout.ts'
import { inChunks } from '../../../contracts/blob-content.ts'
import { randomBytes } from '../../../fixtures/random-bytes.ts'
import { print } from './print.ts'

const [dataVolume = '', size = '0', rangeSize = '1'] = process.argv.slice(2)
const bytes = randomBytes('ranged', Number(size))
const store = await createFilesystemBlobStore(storePaths(dataVolume))
const id = await store.beginUpload()
await print(id)
let rest = bytes.length

async function appendOn(): Promise<void> {
  while (rest > 0) {
    const end = rest
    const at = Math.max(0, end - Number(rangeSize))
    rest = at
    await store.append(id, inChunks(bytes.subarray(at, end), 30_000), { at, sparse: true })
    await print(`${at} ${end}`)
  }
}

await Promise.all([appendOn(), appendOn(), appendOn()])
setInterval(() => undefined, 60_000)
