import { test } from 'node:test'
import { interleaveBursts, interleaveCollection } from './garbage-interleavings.ts'

for (const days of [0, 1]) {
  test(`in any order of everything at once, what is reachable stays and the rest goes (grace of ${days} days)`, () =>
    interleaveBursts(days, 1000))
}

test('whatever meets a collection, what is reachable stays and the rest goes', () => interleaveCollection(3000))
