import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClientActivity } from '../../modules/connected-registry/src/client-activity.ts'

test('clients ask until a tenth of a second after the last request', () => {
  let now = 0
  const clients = createClientActivity(() => now)

  assert.equal(clients.isHigh(), false)
  clients.asked()
  now = 99
  assert.equal(clients.isHigh(), true)
  clients.asked()
  now = 198
  assert.equal(clients.isHigh(), true)
  now = 199
  assert.equal(clients.isHigh(), false)
})
