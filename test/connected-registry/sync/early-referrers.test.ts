import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Descriptor } from '../../../modules/connected-registry/src/protocol/descriptor.ts'
import { createEarlyReferrers } from '../../../modules/connected-registry/src/sync/early-referrers.ts'
import { anImage } from '../../fixtures/image-builder.ts'

const { signal } = new AbortController()
const [subject, ...others] = Array.from({ length: 20 }, (_, each) => anImage({ seed: `subject ${each}` })).map(
  ({ manifest }) => manifest.descriptor
) as [Descriptor, ...Descriptor[]]

function openLists(answer: () => Promise<readonly Descriptor[]> = async () => others.slice(0, 2)) {
  let time = 0
  let asked = 0
  const source = {
    referrers: () => {
      asked++
      return answer()
    }
  }
  const early = createEarlyReferrers(source, signal, { now: () => time })
  return {
    early,
    asked: () => asked,
    pass: (ms: number) => {
      time += ms
    }
  }
}

test('a list that was asked for early is given out once', async () => {
  const { early, asked } = openLists()
  early.ask(subject.digest)
  early.ask(subject.digest)

  const found = [await early.take(subject.digest), early.take(subject.digest)]

  assert.deepEqual([found, asked()], [[others.slice(0, 2), undefined], 1])
})

test('a list that is a second old is asked for anew, for something may have been attached since', () => {
  const { early, pass } = openLists()
  early.ask(subject.digest)
  pass(1001)

  assert.equal(early.take(subject.digest), undefined)
})

test('whoever takes a list learns why there is none', async () => {
  const { early } = openLists(() => Promise.reject(new Error('refused')))
  early.ask(subject.digest)

  await assert.rejects(early.take(subject.digest)!, /refused/)
})

const wordy: Descriptor = { ...subject, annotations: { words: 'x'.repeat(64 * 1024) } }

for (const [what, list] of [
  ['many descriptors', Array<Descriptor>(101).fill(subject)],
  ['long annotations', [wordy]]
] as const) {
  test(`lists with ${what}, and more than a few, are asked for when they are wanted`, async () => {
    const { early, asked } = openLists(async () => list)
    for (const { digest } of [subject, ...others]) early.ask(digest)
    const answered = early.take(others[0]!.digest)
    await answered

    assert.equal(early.take(subject.digest), undefined)
    assert.equal(asked(), 16)
    await early.end()
  })
}
