import { test } from 'node:test'
import { assertIdleRounds } from './idle-rounds.ts'

test('what an idle round over 100 repositories of 100 tags costs', (t) =>
  assertIdleRounds(t, { repositories: 100, tags: 100 }))
