import { test } from 'node:test'
import { parentFaults, places, survive } from './parent-faults.ts'

// Most of the time is spent in waiting: several at once.
for (const [acr, route] of places)
  test(`${acr ? 'acr' : 'plain'}: whatever goes wrong at ${route}, the store stays sound`, { concurrency: 4 }, (t) =>
    Promise.all(
      parentFaults.map((parentFault) => t.test(parentFault.kind, (t) => survive(t, acr, route, parentFault)))
    ).then(() => undefined)
  )
