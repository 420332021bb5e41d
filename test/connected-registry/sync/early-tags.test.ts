import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { ParentError } from '../../../modules/connected-registry/src/parent/parent-error.ts'
import { listEarly } from '../../../modules/connected-registry/src/sync/early-tags.ts'
import { collect } from '../parent/parent-rig.ts'

type Answer = (signal: AbortSignal) => Promise<readonly string[]>

/** A repository whose tags are asked for several times: each answer in its turn. */
function listing(...answers: readonly Answer[]) {
  let asked = 0
  async function* listTags(signal: AbortSignal) {
    yield* await answers[asked++]!(signal)
  }
  return { repository: { listTags }, asked: () => asked }
}

const all: Answer = async () => ['1.4', '1.5']
const failing = (error: Error) => () => Promise.reject(error)
const errorOf = (code: 'BREAKER_OPEN' | 'TIMEOUT') =>
  new ParentError(code, { operation: 'tags', url: new URL('http://parent.test/v2/app/tags/list') })
const { signal } = new AbortController()

test('a list is asked for before anybody reads it, and once', async () => {
  const { repository, asked } = listing(all)

  const { tags, end } = listEarly(repository, signal)

  assert.equal(asked(), 1)
  assert.deepEqual(await collect(tags), ['1.4', '1.5'])
  await end()
  assert.equal(asked(), 1)
})

test('where one request alone could pass, the list is asked for after it; whoever reads learns of any other failure', async () => {
  const later = listEarly(listing(failing(errorOf('BREAKER_OPEN')), all).repository, signal)
  const failed = listEarly(listing(failing(errorOf('TIMEOUT')), all).repository, signal)

  assert.deepEqual(await collect(later.tags), ['1.4', '1.5'])
  await assert.rejects(collect(failed.tags), { code: 'TIMEOUT' })
})

test('a question whose answer nobody needs is ended', async () => {
  let ended = false
  const waiting: Answer = async (until) => {
    await once(until, 'abort')
    ended = true
    throw until.reason
  }

  await listEarly(listing(waiting).repository, signal).end()

  assert.ok(ended)
})
