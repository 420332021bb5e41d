// Commits pairs of records until it is killed: `commit-records.ts <file> <first number>` prints each number once it is durable.
import { createSqliteRecordStore } from '../../../../modules/connected-registry/src/storage/sqlite.ts'
import { pairOf } from '../pair-of-records.ts'
import { print } from './print.ts'

const [path = '', first = '0'] = process.argv.slice(2)
const store = await createSqliteRecordStore(path)
let next = Number(first)

async function commitOn(): Promise<never> {
  while (true) {
    const number = next++
    const { left, right } = pairOf(number)
    await store.commit({ put: [left, right, ['last', number]], expect: [[left[0], undefined]] })
    await print(number)
  }
}

await Promise.all(Array.from({ length: 8 }, commitOn))
