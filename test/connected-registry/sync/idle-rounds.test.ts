import { test } from 'node:test'
import { assertIdleRounds } from './idle-rounds.ts'

test('what an idle round over 25 repositories of 25 tags costs', (t) =>
  assertIdleRounds(t, { repositories: 25, tags: 25 }))
