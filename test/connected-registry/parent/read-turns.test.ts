import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { createReadTurns } from '../../../modules/connected-registry/src/parent/read-turns.ts'

test('a turn takes in its bytes, and who would bring more reads in the next ones, in order', async () => {
  const turns = createReadTurns(() => 100)
  const read: string[] = []
  const take = (bytes: number, name: string) => turns.take(bytes, () => void read.push(name))

  take(60, 'first')
  take(500, 'second')
  take(60, 'third')
  take(60, 'fourth')
  take(1, 'fifth')
  assert.deepEqual(read, ['first', 'second'])
  await turn()
  assert.deepEqual(read, ['first', 'second', 'third', 'fourth'])
  await turn()
  assert.deepEqual(read, ['first', 'second', 'third', 'fourth', 'fifth'])
})

test('who reads again and again leaves a turn to the others each time', async () => {
  const turns = createReadTurns(() => 100)
  let reads = 0
  const again = () => {
    if (++reads < 5) turns.take(100, again)
  }

  again()
  for (let turnsTaken = 1; reads < 5; turnsTaken++) {
    assert.equal(reads, turnsTaken + 1)
    await turn()
  }

  assert.equal(reads, 5)
})
