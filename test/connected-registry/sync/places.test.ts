import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turnOfLoop } from 'node:timers/promises'
import fc from 'fast-check'
import { createPlaces, inFreePlaces, inParallel } from '../../../modules/connected-registry/src/sync/places.ts'

type Act = { readonly kind: 'come' } | { readonly kind: 'leave' | 'giveUp' | 'leaveTwice'; readonly who: number }

const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ kind: fc.constant('come') }),
  fc.record({ kind: fc.constantFrom('leave', 'giveUp', 'leaveTwice'), who: fc.nat(20) })
)

test('places: who waits enters in order, never too many at once, and whoever gives up takes no place along', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 3 }), fc.array(act, { maxLength: 30 }), async (count, acts) => {
      const places = createPlaces(count)
      const guests: { abort: AbortController; leave?: () => void }[] = []
      // The model: who is in, and who waits, in order.
      const inside: number[] = []
      const waiting: number[] = []
      const gone = new Map<number, () => void>()
      const enter = () => {
        while (inside.length < count && waiting.length > 0) inside.push(waiting.shift()!)
      }

      for (const { kind, ...rest } of acts) {
        const who = 'who' in rest ? rest.who : guests.length
        const leave = guests[who]?.leave
        if (kind === 'come') {
          const guest: { abort: AbortController; leave?: () => void } = { abort: new AbortController() }
          guests.push(guest)
          waiting.push(who)
          places.take(guest.abort.signal).then(
            (way) => {
              guest.leave = way
            },
            () => undefined
          )
        } else if (kind === 'leave' && leave && inside.includes(who)) {
          inside.splice(inside.indexOf(who), 1)
          gone.set(who, leave)
          leave()
        } else if (kind === 'leaveTwice') gone.get(who)?.()
        else if (kind === 'giveUp' && guests[who]) {
          if (waiting.includes(who)) waiting.splice(waiting.indexOf(who), 1)
          guests[who].abort.abort(new Error('no longer'))
        }
        enter()
        await turnOfLoop()

        const held = guests.flatMap(({ leave: way }, index) => (way && !gone.has(index) ? [index] : []))
        assert.deepEqual(
          held,
          inside.toSorted((a, b) => a - b)
        )
        assert.equal(places.isFree, inside.length < count)
      }
    }),
    { numRuns: 200 }
  )
})

test('places: who comes with a signal that is aborted takes none', async () => {
  const places = createPlaces(1)

  await assert.rejects(places.take(AbortSignal.abort(new Error('too late'))), { message: 'too late' })

  const leave = await places.take(new AbortController().signal)
  leave()
})

test('in parallel: every item has its turn, in order, so many at once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat()), fc.integer({ min: 1, max: 4 }), async (items, count) => {
      const begun: number[] = []
      let running = 0

      await inParallel(items, count, async (item) => {
        begun.push(item)
        assert.ok(++running <= count)
        await Promise.resolve()
        running--
      })

      assert.deepEqual(begun, items)
      assert.equal(running, 0)
    })
  )
})

test('in parallel: after a failure nothing more is begun, and what is under way has ended when it is thrown', async () => {
  const { promise: until, resolve: goOn } = Promise.withResolvers<void>()
  const ended: string[] = []
  const running = inParallel(['slow', 'broken', 'next'], 2, async (item) => {
    if (item === 'broken') throw new Error('broken')
    await until
    ended.push(item)
  })
  goOn()

  await assert.rejects(running, { message: 'broken' })

  assert.deepEqual(ended, ['slow'])
})

test('in free places: every item has its turn, in order, one at a time and as many more as there are places', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(fc.nat()), fc.nat(4), async (s, items, count) => {
      const places = createPlaces(count)
      const begun: number[] = []
      let running = 0
      let most = 0

      await s.waitFor(
        inFreePlaces(items, places, async (item) => {
          begun.push(item)
          most = Math.max(most, ++running)
          await s.schedule(Promise.resolve())
          running--
        })
      )

      assert.deepEqual(begun, items)
      assert.equal(most, Math.min(items.length, count + 1))
      const left = Array.from({ length: count + 1 }, () => places.takeFree())
      assert.equal(left.filter(Boolean).length, count, 'every place is left again')
    })
  )
})

test('in free places: after a failure nothing more is begun, and what is under way has ended when it is thrown', async () => {
  const { promise: until, resolve: goOn } = Promise.withResolvers<void>()
  const ended: string[] = []
  const running = inFreePlaces(['slow', 'broken', 'next'], createPlaces(1), async (item) => {
    if (item === 'broken') throw new Error('broken')
    await until
    ended.push(item)
  })
  await turnOfLoop()
  goOn()

  await assert.rejects(running, { message: 'broken' })

  assert.deepEqual(ended, ['slow'])
})
