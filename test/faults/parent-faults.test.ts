import { test } from 'node:test'
import type { Route } from '../simulators/cloud-registry/exchange.ts'
import { parentFaults, survive } from './parent-faults.ts'

/** One case of each kind; the long tests try every kind at every place. */
const cases: readonly (readonly [kind: string, route: Route, acr: boolean])[] = [
  ['hangs before it answers', 'metadata', true],
  ['hangs behind its headers', 'manifest', false],
  ['hangs in the middle', 'data', true],
  ['resets the connection', 'token', true],
  ['cuts after a few bytes', 'data', true],
  ['sends wrong bytes of the right length', 'data', true],
  ['sends more than there is', 'manifest', true],
  ['encodes its body', 'data', true],
  ['answers 503', 'tags', false],
  ['throttles', 'manifest', true],
  ['gives links that are over', 'blob', true],
  ['answers 404 in the words of a registry', 'metadata', true]
]

for (const [kind, route, acr] of cases)
  test(`${acr ? 'acr' : 'plain'}: a parent that ${kind} at ${route} leaves the store sound`, (t) =>
    survive(t, acr, route, parentFaults.find((each) => each.kind === kind)!))
