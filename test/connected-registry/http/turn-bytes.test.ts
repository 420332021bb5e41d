import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { createTurnBytes } from '../../../modules/connected-registry/src/http/turn-bytes.ts'

test('a turn takes its bytes, and whoever brings more is called in the next one', async () => {
  const turnBytes = createTurnBytes(100)
  const called: string[] = []
  const take = (bytes: number, name: string) => turnBytes.take(bytes, () => called.push(name))

  assert.deepEqual([take(60, 'first'), take(40, 'second'), take(1, 'third')], [true, false, false])
  assert.deepEqual(called, [])
  await turn()

  assert.deepEqual(called, ['second', 'third'])
  assert.equal(take(99, 'fourth'), true)
  await turn()
  assert.equal(take(99, 'fifth'), true)
  await turn()
  assert.deepEqual(called, ['second', 'third'])
})
