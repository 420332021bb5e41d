import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { createContentHolds } from '../../../modules/connected-registry/src/registry/content-holds.ts'

const digest = digestOf(Buffer.from('content'))

test('what is held is not removed, by however many it is held', async () => {
  const holds = createContentHolds()
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const holding = [first, second].map(({ promise }) => holds.hold(digest, () => holds.hold(digest, () => promise)))
  await Promise.resolve()

  assert.equal(holds.isHeld(digest), true)
  first.resolve()
  await holding[0]
  assert.equal(
    holds.remove(digest, async () => 'removed'),
    undefined
  )
  second.reject(new Error('cut'))
  await assert.rejects(holding[1]!, /cut/)

  assert.equal(holds.isHeld(digest), false)
  assert.equal(await holds.remove(digest, async () => 'removed'), 'removed')
})

test('a hold waits for the removal under way, also for one that fails, and not for that of anything else', async () => {
  const holds = createContentHolds()
  const removal = Promise.withResolvers<void>()
  const order: string[] = []
  const removing = holds.remove(digest, () => removal.promise.then(() => order.push('removed')))
  const waiting = holds.hold(digest, async () => order.push('held'))
  await holds.hold(digestOf(Buffer.from('other')), async () => order.push('other'))

  assert.equal(
    holds.remove(digest, async () => 'again'),
    undefined
  )
  removal.reject(new Error('the disk is gone'))
  await assert.rejects(removing!, /disk/)
  await waiting

  assert.deepEqual(order, ['other', 'held'])
})
