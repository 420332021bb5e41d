import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { createEarlySync } from '../../../modules/connected-registry/src/storage/early-sync.ts'
import { temporaryFolder } from './temporary-folder.ts'

async function aFile(): Promise<string> {
  const path = join(await temporaryFolder(), 'file')
  await writeFile(path, 'content')
  return path
}

test('a file is synced each time so much was written to it, one sync at a time', async () => {
  const syncs: PromiseWithResolvers<void>[] = []
  const begun = Promise.withResolvers<void>()
  const sync = () => {
    syncs.push(Promise.withResolvers<void>())
    begun.resolve()
    return syncs.at(-1)!.promise
  }
  const early = createEarlySync(await aFile(), sync, 10)

  early.wrote(9)
  await early.done()
  assert.equal(syncs.length, 0)

  early.wrote(1)
  early.wrote(10)
  await begun.promise
  assert.equal(syncs.length, 1)

  syncs[0]!.resolve()
  await early.done()
  assert.equal(syncs.length, 1)
})

test('a sync that failed is told from then on, whatever the next one would say', async () => {
  let syncs = 0
  const early = createEarlySync(await aFile(), async () => void (syncs++ === 0 && assert.fail('lost')), 10)

  early.wrote(10)

  await assert.rejects(early.done(), /lost/)
  assert.throws(() => early.wrote(10), /lost/)
  await assert.rejects(early.done(), /lost/)
})

test('a file that could not be opened for a sync was not refused by the disk, and is synced next time', async () => {
  const path = join(await temporaryFolder(), 'file')
  let syncs = 0
  const early = createEarlySync(path, async () => void syncs++, 10)

  early.wrote(10)
  await early.done()
  await writeFile(path, 'content')
  early.wrote(10)
  await early.done()

  assert.equal(syncs, 1)
})
