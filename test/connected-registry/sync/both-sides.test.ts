import { test } from 'node:test'
import { assertBothSidesConverge } from './both-sides.ts'

for (const acr of [true, false])
  test(`${acr ? 'acr' : 'plain'}: changes on both sides agree in the end, and nothing that was pushed is lost`, (t) =>
    assertBothSidesConverge(t, acr, 20, 24))
