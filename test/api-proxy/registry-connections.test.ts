import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { createRegistryConnections } from '../../modules/api-proxy/src/registry-connections.ts'
import { aRegistry } from './open-door.ts'

test('a connection that rested for long is closed, for the registry may be closing it just then', async (t) => {
  const { port } = await aRegistry(t, (_, answer) => answer.end())
  let nowMs = 0
  const limits = { connectTimeoutMs: 1_000, answerTimeoutMs: 1_000 }
  const connections = createRegistryConnections({ host: '127.0.0.1', port }, limits, () => nowMs)
  t.after(() => connections.close())

  const first = connections.take()
  await once(first.socket, 'connect')
  first.rest()
  nowMs = 3_999
  const again = connections.take()
  again.rest()
  nowMs = 7_999
  const other = connections.take()

  assert.equal(again, first)
  assert.notEqual(other, first)
  assert.deepEqual([first.socket.destroyed, other.isReused], [true, false])
})
