import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { createLog } from '@connected-registry/edge-module/log.ts'
import { parseRepositoryPattern } from '../../../modules/connected-registry/src/protocol/repository-pattern.ts'
import type { Outbound } from '../../../modules/connected-registry/src/sync/outbound.ts'
import { createPending, watchPending } from '../../../modules/connected-registry/src/sync/pending.ts'
import type { PendingUp } from '../../../modules/connected-registry/src/sync/status.ts'

const scope = [parseRepositoryPattern('plant/app')!]

/** So many references that wait to go up. */
function waiting(count: number): Pick<Outbound, 'all'> {
  return {
    async *all() {
      for (let at = 0; at < count; at++) yield ['plant/app', `t${at}`, { sequence: at }] as const
    }
  }
}

test('the count of what has gathered over a long outage leaves room for whoever asks meanwhile', async () => {
  const told: PendingUp[] = []
  const pending = createPending({ outbound: waiting(5000), board: { pendingUp: (now) => void told.push(now) } })
  let turns = 0
  const counting = pending.tell(scope)

  while (told.length === 0) {
    await turn()
    turns++
  }

  await counting
  assert.equal(told[0]?.references, 5000)
  assert.ok(turns >= 10, `${turns} turns of the event loop`)
})

test('a count that took long is not made again soon, however often clients push', async () => {
  const waits: number[] = []
  const due: (() => void)[] = []
  let now = 0
  let push: () => void = () => {}
  const counted: (() => void)[] = []
  const watch = watchPending({
    changes: {
      onChange(listener) {
        push = () => listener(1)
        return () => {}
      }
    },
    outbound: { catchUp: async () => {} },
    pending: {
      async tell() {
        now += 400
        counted.shift()?.()
      }
    },
    scope: () => scope,
    isWritten: () => true,
    clock: {
      after(milliseconds, act) {
        waits.push(milliseconds)
        due.push(act)
        return () => {}
      }
    },
    elapsed: () => now,
    log: createLog({ module: 'test', level: 'None' })
  })

  for (let round = 0; round < 2; round++) {
    push()
    push()
    const { promise, resolve } = Promise.withResolvers<void>()
    counted.push(resolve)
    due.shift()?.()
    await promise
    await turn()
  }

  assert.deepEqual(waits, [2000, 20_000])
  await watch.stop()
})
