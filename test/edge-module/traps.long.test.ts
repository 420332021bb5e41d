import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { anEdgeDevice, moduleId } from './edge-device.ts'

test('trap 7: an outage longer than the four minutes after which the SDK gives up is outlasted', async (t) => {
  const { hub, ...device } = await anEdgeDevice(t)
  device.client({ timings: { reconnect: { minimumMs: 250, maximumMs: 5_000 } } })
  await hub.connected(moduleId, t.signal)

  await hub.stop()
  // The length of the outage is what is tested here: nothing happens that could be awaited.
  await wait(250_000, undefined, { signal: t.signal })
  await hub.start()

  await hub.connected(moduleId, t.signal)
  assert.equal((await hub.invoke(moduleId, 'echo', 1)).status, 200)
})
