import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countWrites, surviveFullDisk } from './full-disk.ts'

test('a disk that is full from the first write on, or in the middle of content, loses nothing', async (t) => {
  const writes = await countWrites(t)
  assert.ok(writes > 20, `${writes} writes`)

  for (const write of [0, Math.floor(writes / 3)]) await surviveFullDisk(t, write)
})
