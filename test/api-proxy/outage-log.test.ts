import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '@connected-registry/edge-module/log.ts'
import { createOutageLog } from '../../modules/api-proxy/src/outage-log.ts'

test('an outage is warned of once in ten seconds, with the number of requests in between', () => {
  const lines: string[] = []
  const log = createLog({ module: 'test', destination: { write: (line) => void lines.push(line) } })
  let now = 0
  const outage = createOutageLog(log, () => now)

  for (const at of [0, 1, 9_999, 10_000, 12_000, 30_000]) {
    now = at
    outage.report({ at })
  }

  const told = lines.map((line) => JSON.parse(line)).map(({ level, at, unreported }) => [level, at, unreported])
  assert.deepEqual(told, [
    ['warn', 0, 0],
    ['warn', 10_000, 2],
    ['warn', 30_000, 1]
  ])
})
