import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { createLog } from '@connected-registry/edge-module/log.ts'
import type { SyncRequest } from '../../../modules/connected-registry/src/sync/engine.ts'
import { createOutbound } from '../../../modules/connected-registry/src/sync/outbound.ts'
import { createPushUp } from '../../../modules/connected-registry/src/sync/push-up.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { openRegistry, pushImage } from '../registry/open-registry.ts'

const log = createLog({ module: 'test', level: 'None' })
const image = anImage()

test('what clients change while a long round is waited for goes up with one round more, however much it is', async (t) => {
  const open = await openRegistry(t)
  const { registry } = open
  await pushImage(open, 'app', image)
  const asked: SyncRequest[] = []
  const events = new EventEmitter()
  const longRound = Promise.withResolvers<undefined>()
  const engine = () => ({
    sync(request: SyncRequest = {}) {
      asked.push(request)
      events.emit('asked')
      return longRound.promise
    }
  })
  const { signal } = t
  const pushUp = createPushUp({ outbound: createOutbound(open), engine, log, gatherMs: 0, signal })
  registry.changes.onChange(pushUp)
  const tag = (name: string) =>
    registry.tags.put('app', name, image.manifest.descriptor.digest, { origin: 'client:line-1' })
  const first = once(events, 'asked', { signal })
  await tag('1.0')
  await first

  for (let each = 1; each <= 20; each++) {
    await tag(`1.${each}`)
    await turn()
  }
  const second = once(events, 'asked', { signal })
  longRound.resolve(undefined)
  await second

  for (let each = 0; each < 20; each++) await turn()
  assert.deepEqual(asked, [{ only: new Set(['app']) }, { only: new Set(['app']) }])
})
