// Commits pairs of records until it is killed: `commit-records.ts <file> <first number>` prints each number once it is durable.
// With `rests` the writer ends between some of them, and the next commit, or a hint of it, starts another.
import { setImmediate as turn } from 'node:timers/promises'
import { createSqliteRecordStore } from '../../../../modules/connected-registry/src/storage/sqlite.ts'
import { pairOf } from '../pair-of-records.ts'
import { print } from './print.ts'

const [path = '', first = '0', rests] = process.argv.slice(2)
const store = await createSqliteRecordStore(path, rests ? { restMs: 0 } : {})
let next = Number(first)

async function commitOn(): Promise<never> {
  while (true) {
    const number = next++
    const { left, right } = pairOf(number)
    await store.commit({ put: [left, right, ['last', number]], expect: [[left[0], undefined]] })
    await print(number)
    if (rests && number % 3 === 0) await rest(number)
  }
}

/** A few milliseconds, in which a writer is asked to end, ends, or is started again. */
async function rest(number: number): Promise<void> {
  for (let turns = (number % 10) * 100; turns > 0; turns--) await turn()
  if (number % 2 === 0) store.wake()
}

await Promise.all(Array.from({ length: rests ? 1 : 8 }, commitOn))
