import { test } from 'node:test'
import { assertBothSidesConverge } from './both-sides.ts'

for (const acr of [true, false])
  test(`${acr ? 'acr' : 'plain'}: long histories of both sides agree in the end, too`, (t) =>
    assertBothSidesConverge(t, acr, 80, 60))
