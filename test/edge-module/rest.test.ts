import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { collectAtRest } from '../../modules/edge-module/src/rest.ts'

const mebibyte = 1024 * 1024

/** An engine that holds `kept` MiB after a collection; `look` lets one interval pass. */
function anEngine(t: TestContext, { kept = 10 } = {}) {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const engine = { allocated: 0, used: 20, collections: 0 }
  collectAtRest(5_000, {
    allocatedBytes: () => engine.allocated * mebibyte,
    usedBytes: () => engine.used * mebibyte,
    collect() {
      engine.collections++
      engine.used = kept
    }
  })
  return { engine, look: () => t.mock.timers.tick(5_000) }
}

test('what the start left is collected as soon as there is nothing to do', (t) => {
  const { engine, look } = anEngine(t)

  engine.allocated = 120
  look()
  assert.equal(engine.collections, 0)
  engine.allocated = 120.5
  look()

  assert.equal(engine.collections, 1)
})

test('looking at clocks and files is no work', (t) => {
  const { engine, look } = anEngine(t)

  for (const allocated of [120, 121.9]) {
    engine.allocated = allocated
    look()
  }

  assert.equal(engine.collections, 1)
})

test('a module that stays at rest is left alone, and one that did little', (t) => {
  const { engine, look } = anEngine(t)
  look()

  for (const used of [10, 11, 13]) {
    engine.used = used
    look()
  }

  assert.equal(engine.collections, 1)
})

test('it is collected again after it was busy', (t) => {
  const { engine, look } = anEngine(t)
  look()

  Object.assign(engine, { allocated: 700, used: 90 })
  look()
  assert.equal(engine.collections, 1)
  look()
  look()

  assert.equal(engine.collections, 2)
})

test('what cannot be collected is not tried again and again', (t) => {
  const { engine, look } = anEngine(t, { kept: 200 })
  engine.used = 204

  for (let looks = 0; looks < 10; looks++) look()

  assert.equal(engine.collections, 1)
})

test('what was in use at the last collection, and is no more, makes no room for garbage', (t) => {
  const { engine, look } = anEngine(t, { kept: 200 })
  engine.used = 204
  look()

  Object.assign(engine, { allocated: 700, used: 20 })
  look()
  engine.used = 90
  look()

  assert.equal(engine.collections, 2)
})

test('without the means nothing is looked at', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const looked: string[] = []

  collectAtRest(5_000, {
    allocatedBytes: () => looked.push('allocated'),
    usedBytes: () => looked.push('used'),
    collect: undefined
  })
  t.mock.timers.tick(20_000)

  assert.deepEqual(looked, [])
})
