import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createKept } from '../../modules/api-proxy/src/kept.ts'
import { silentLog } from './open-door.ts'

function aKept() {
  const loads: PromiseWithResolvers<string>[] = []
  let now = 0
  const kept = createKept({
    what: 'value',
    load: () => {
      const load = Promise.withResolvers<string>()
      loads.push(load)
      return load.promise
    },
    freshMs: 30,
    usableMs: 60,
    log: silentLog,
    now: () => now
  })
  const first = async (value: string) => {
    const got = kept.get()
    loads.at(-1)?.resolve(value)
    return got
  }
  return { kept, loads, first, at: (ms: number) => (now = ms) }
}

test('what is fresh is not loaded again, and those who wait share one load', async () => {
  const { kept, loads, first, at } = aKept()

  const waiting = [kept.get(), kept.get()]
  assert.equal(await first('a'), 'a')
  assert.deepEqual(await Promise.all(waiting), ['a', 'a'])
  at(29)
  assert.equal(await kept.get(), 'a')
  assert.equal(loads.length, 1)
})

test('what is not fresh any more is given out while the next one is loaded', async () => {
  const { kept, loads, first, at } = aKept()
  await first('a')

  at(30)
  assert.equal(await kept.get(), 'a')
  loads[1]?.resolve('b')
  await loads[1]?.promise
  assert.equal(await kept.get(), 'b')
})

test('where the next one cannot be had the old one serves as long as it may, then the failure is told', async () => {
  const { kept, loads, first, at } = aKept()
  await first('a')

  at(59)
  assert.equal(await kept.get(), 'a')
  loads[1]?.reject(new Error('away'))
  await Promise.allSettled([loads[1]?.promise])
  assert.equal(await kept.get(), 'a')
  loads[2]?.reject(new Error('still away'))
  at(60)
  await assert.rejects(kept.get(), /still away/)
  assert.equal(await first('b'), 'b')
})
