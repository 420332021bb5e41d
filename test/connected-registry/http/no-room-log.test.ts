import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '@connected-registry/edge-module/log.ts'
import { createNoRoomLog } from '../../../modules/connected-registry/src/http/no-room-log.ts'

test('a client that pushes into a full disk again and again is a line a minute, which says how often', () => {
  const lines: Record<string, unknown>[] = []
  const log = createLog({ module: 'test', destination: { write: (line) => void lines.push(JSON.parse(line)) } })
  let now = 0
  const tell = createNoRoomLog(log, () => now)

  for (let second = 0; second < 130; second++) {
    now = second * 1000
    tell({ method: 'POST', path: '/v2/app/blobs/uploads/', code: 'ENOSPC', reason: 'the disk is nearly full' })
  }

  assert.deepEqual(
    lines.map(({ unreported }) => unreported),
    [0, 59, 59]
  )
})
