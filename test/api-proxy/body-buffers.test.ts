import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBodyBuffers } from '../../modules/api-proxy/src/body-buffers.ts'

test('a buffer that was given back is used again, and one that was given up is not', () => {
  const buffers = createBodyBuffers()
  const first = buffers.take()
  buffers.giveBack(first)

  const second = buffers.take()
  buffers.giveUp(second)

  assert.equal(second, first)
  assert.notEqual(buffers.take(), first)
})

test('many bodies at a time share little memory', () => {
  const buffers = createBodyBuffers()

  const taken = Array.from({ length: 100 }, () => buffers.take())
  const bytes = taken.reduce((sum, { length }) => sum + length, 0)
  for (const buffer of taken) buffers.giveBack(buffer)

  assert.equal(new Set(taken).size, 100)
  assert.ok(bytes < 40 * 1024 * 1024, `${bytes} bytes`)
  assert.equal(buffers.take().length, taken[0]?.length)
})
