import { test } from 'node:test'
import { assertConvergence } from './convergence.ts'

test('acr: whatever happens above, on the way and here, two quiet rounds bring agreement and a third one rests', (t) =>
  assertConvergence(t, true, { runs: 25, length: 24 }))

test('plain: whatever happens above, on the way and here, two quiet rounds bring agreement and a third one rests', (t) =>
  assertConvergence(t, false, { runs: 25, length: 24 }))
