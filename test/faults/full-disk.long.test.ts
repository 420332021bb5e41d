import { test } from 'node:test'
import { countWrites, surviveFullDisk } from './full-disk.ts'

test('a disk that is full from any one write on loses nothing', { concurrency: 4 }, async (t) => {
  const writes = await countWrites(t)

  await Promise.all(
    Array.from({ length: writes }, (_, write) => t.test(`write ${write}`, (t) => surviveFullDisk(t, write)))
  )
})
