import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { createEarlySync, createEarlySyncPlaces } from '../../../modules/connected-registry/src/storage/early-sync.ts'
import { temporaryFolder } from './temporary-folder.ts'

async function aFile(): Promise<string> {
  const path = join(await temporaryFolder(), 'file')
  await writeFile(path, 'content')
  return path
}

const everyTen = (places = createEarlySyncPlaces()) => ({ places, everyBytes: 10 })

test('a file is synced each time so much was written to it, one sync at a time', async () => {
  const syncs: PromiseWithResolvers<void>[] = []
  const begun = Promise.withResolvers<void>()
  const sync = () => {
    syncs.push(Promise.withResolvers<void>())
    begun.resolve()
    return syncs.at(-1)!.promise
  }
  const early = createEarlySync(await aFile(), sync, everyTen())

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
  const early = createEarlySync(await aFile(), async () => void (syncs++ === 0 && assert.fail('lost')), everyTen())

  early.wrote(10)

  await assert.rejects(early.done(), /lost/)
  assert.throws(() => early.wrote(10), /lost/)
  await assert.rejects(early.done(), /lost/)
})

test('a file that could not be opened for a sync was not refused by the disk, and is synced next time', async () => {
  const path = join(await temporaryFolder(), 'file')
  let syncs = 0
  const early = createEarlySync(path, async () => void syncs++, everyTen())

  early.wrote(10)
  await early.done()
  await writeFile(path, 'content')
  early.wrote(10)
  await early.done()

  assert.equal(syncs, 1)
})

test('two files of a store are synced at once, and a third one when it grows after one of them was done', async () => {
  const places = createEarlySyncPlaces()
  const [disk, begun] = [Promise.withResolvers<void>(), [] as number[]]
  const sync = (file: number) => () => {
    begun.push(file)
    return file === 0 ? Promise.resolve() : disk.promise
  }
  const files = await Promise.all(
    [0, 1, 2].map(async (file) => createEarlySync(await aFile(), sync(file), everyTen(places)))
  )

  for (const file of files) file.wrote(10)
  // It has begun none, so that nobody waits for one.
  await files[2]!.done()
  await files[0]!.done()
  files[2]!.wrote(1)
  disk.resolve()
  await Promise.all(files.map((file) => file.done()))

  assert.deepEqual(begun.sort(), [0, 1, 2])
})

test('the place of a file that cannot be opened or synced is free again', async () => {
  const places = createEarlySyncPlaces(1)
  const missing = createEarlySync(
    join(await temporaryFolder(), 'missing'),
    () => assert.fail('opened'),
    everyTen(places)
  )
  missing.wrote(10)
  await missing.done()
  const refused = createEarlySync(await aFile(), () => Promise.reject(new Error('lost')), everyTen(places))
  refused.wrote(10)
  await assert.rejects(refused.done(), /lost/)

  assert.equal(places.take(), true)
})
