import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '@connected-registry/edge-module/log.ts'
import { startLogTrim } from '../../modules/connected-registry/src/log-trim.ts'
import type { LogLimits } from '../../modules/connected-registry/src/registry/registry.ts'

const now = () => new Date('2026-06-01T00:00:00Z')
const outbound = { catchUp: async () => {} }

function recordedLog() {
  const lines: Record<string, unknown>[] = []
  const write = (text: string) => void lines.push(JSON.parse(text))
  return { lines, log: createLog({ module: 'test', destination: { write } }) }
}

test('the log is trimmed at the start, to 90 days and 100,000 entries', async () => {
  const asked: LogLimits[] = []
  const { lines, log } = recordedLog()
  const begun = Promise.withResolvers<void>()
  const trim = async (limits: LogLimits) => {
    begun.resolve()
    return asked.push(limits)
  }
  const trimming = startLogTrim({ changes: { trim }, outbound, log, now })
  await begun.promise

  await trimming.stop()

  assert.deepEqual(asked, [{ before: new Date('2026-03-03T00:00:00Z'), keep: 100_000 }])
  assert.deepEqual(
    lines.map(({ msg, entries }) => [msg, entries]),
    [['change log trimmed', 1]]
  )
})

test('a store that cannot be trimmed is told of, and the next look tries again', async (t) => {
  let attempts = 0
  const { lines, log } = recordedLog()
  const trim = async () => {
    if (attempts++ === 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    return 3
  }
  const trimming = startLogTrim({ changes: { trim }, outbound, log, now })
  t.after(trimming.stop)

  await trimming.look()

  assert.deepEqual(
    lines.map(({ msg, code, entries }) => [msg, code ?? entries]),
    [
      ['change log not trimmed', 'DiskError'],
      ['change log trimmed', 3]
    ]
  )
})

test('what is to go up is read before the log is trimmed, and holds up no trimming', async (t) => {
  const happened: string[] = []
  const { lines, log } = recordedLog()
  const catchUp = async () => {
    if (happened.push('read') > 2) throw new Error('not to be read')
  }
  const trim = async () => happened.push('trimmed')
  const trimming = startLogTrim({ changes: { trim }, outbound: { catchUp }, log, now })
  t.after(trimming.stop)

  await trimming.look()

  assert.deepEqual(happened, ['read', 'trimmed', 'read', 'trimmed'])
  assert.equal(lines.filter(({ msg }) => msg === 'change log not read before it was trimmed').length, 1)
})

test('who stops does not wait for the whole log', async () => {
  const { lines, log } = recordedLog()
  const begun = Promise.withResolvers<void>()
  const trim = (_: LogLimits, signal?: AbortSignal) => {
    begun.resolve()
    return new Promise<number>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
  }
  const trimming = startLogTrim({ changes: { trim }, outbound, log, now })
  await begun.promise

  await trimming.stop()

  assert.deepEqual(lines, [])
})
