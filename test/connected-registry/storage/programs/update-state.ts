// Counts up in a state file until it is killed, and prints each number once it is durable.
import { writeSync } from 'node:fs'
import { openStateFile } from '../../../../modules/connected-registry/src/storage/state-file.ts'
import { type CountState, emptyCount, parseCount } from '../count-state.ts'

const state = await openStateFile<CountState>(process.argv[2] ?? '', { parse: parseCount, empty: emptyCount })
while (true) {
  await state.update(({ count }) => ({ count: count + 1, text: String(count + 1).repeat(3000) }))
  writeSync(1, `${state.data.count}\n`)
}
