// One write of each kind, between lines that mark its begin and its end: `write-once.ts <data volume>`. Run under strace.
import { linkSync, writeSync } from 'node:fs'
import { digestOf } from '../../../../modules/connected-registry/src/protocol/digest.ts'
import { quarantinePath } from '../../../../modules/connected-registry/src/storage/content-scan.ts'
import { createFilesystemBlobStore } from '../../../../modules/connected-registry/src/storage/filesystem.ts'
import { blobPath, storePaths } from '../../../../modules/connected-registry/src/storage/layout.ts'
import { createSqliteRecordStore } from '../../../../modules/connected-registry/src/storage/sqlite.ts'
import { openStateFile } from '../../../../modules/connected-registry/src/storage/state-file.ts'
import { inChunks, putBlob } from '../../../contracts/blob-content.ts'
import { type CountState, emptyCount, parseCount } from '../count-state.ts'

const paths = storePaths(process.argv[2] ?? '')
const blobs = await createFilesystemBlobStore(paths)
const records = await createSqliteRecordStore(paths.records)
const state = await openStateFile<CountState>(paths.state, { parse: parseCount, empty: emptyCount })

async function marked(name: string, work: () => Promise<unknown>): Promise<void> {
  writeSync(1, `begin ${name}\n`)
  await work()
  writeSync(1, `end ${name}\n`)
}

const bytes = Buffer.alloc(1000, 'x')
const id = await blobs.beginUpload()
await blobs.append(id, inChunks(bytes, 100), { at: 0 })
await marked('blob', () => blobs.commit(id, digestOf(bytes)))
const ranged = await blobs.beginUpload()
await marked('range', () => blobs.append(ranged, inChunks(bytes, 100), { at: 50, sparse: true }))
await marked('remove', () => blobs.remove(digestOf(bytes)))

const spoiled = await putBlob(blobs, bytes)
await blobs.quarantine(spoiled)
// A power cut may leave both names.
linkSync(quarantinePath(paths.quarantine, spoiled), blobPath(paths.blobs, spoiled))
await marked('remove spoiled', () => blobs.remove(spoiled))
await marked('record', () => records.commit({ put: [['key', 1]] }))
await marked('state', () => state.update(() => ({ count: 1, text: '1'.repeat(3000) })))
await Promise.all([blobs.close(), records.close()])
