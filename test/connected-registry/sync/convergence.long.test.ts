import { test } from 'node:test'
import { assertConvergence } from './convergence.ts'

const silences = [{ kind: 'hang' }, { kind: 'hang', afterBytes: 40 }] as const

for (const acr of [true, false]) {
  const kind = acr ? 'acr' : 'plain'
  test(`${kind}: agreement comes after long histories, too`, (t) =>
    assertConvergence(t, acr, { runs: 150, length: 60 }))

  test(`${kind}: agreement comes after silences, too`, (t) =>
    assertConvergence(t, acr, { runs: 8, length: 30, silences }))
}
