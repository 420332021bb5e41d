import assert from 'node:assert/strict'
import test from 'node:test'
import { keepAnswers } from '../../../modules/connected-registry/src/http/kept-answers.ts'

function someAnswers(limitBytes?: number) {
  const revisions = new Map<string, number>()
  const made: string[] = []
  const keep = keepAnswers({ revision: async (repository) => revisions.get(repository) ?? 0 }, limitBytes)
  const ask = (repository: string, key: string, body = 'body') =>
    keep(repository, key, async () => {
      made.push(`${repository} ${key}`)
      return { headers: {}, body: Buffer.from(body) }
    })
  return { revisions, made, ask }
}

test('an answer is made once for each revision of its repository', async () => {
  const { revisions, made, ask } = someAnswers()
  revisions.set('a', 1).set('b', 1)

  await ask('a', '1')
  await ask('a', '1')
  await ask('b', '1')
  revisions.set('a', 2)
  await ask('a', '1')
  await ask('b', '1')

  assert.deepEqual(made, ['a 1', 'b 1', 'a 1'])
})

test('a change while the answer is made counts for the next one', async () => {
  let revision = 1
  const keep = keepAnswers({ revision: async () => revision })
  const make = async () => {
    const body = Buffer.from(String(revision))
    revision = 2
    return { headers: {}, body }
  }

  const first = await keep('a', '', make)
  const second = await keep('a', '', make)

  assert.deepEqual([String(first.body), String(second.body)], ['1', '2'])
})

test('of a repository without a revision nothing is kept', async () => {
  const { made, ask } = someAnswers()

  await ask('a', '1')
  await ask('a', '1')

  assert.equal(made.length, 2)
})

test('the answers not asked for the longest go first when the room is used up', async () => {
  const { revisions, made, ask } = someAnswers(1100)
  revisions.set('a', 1)

  await ask('a', '1', 'four')
  await ask('a', '2', 'four')
  await ask('a', '1', 'four')
  await ask('a', '3', 'four')
  await ask('a', '1', 'four')
  await ask('a', '2', 'four')

  assert.deepEqual(made, ['a 1', 'a 2', 'a 3', 'a 2'])
})

test('what a client made its key of takes room as well', async () => {
  const { revisions, made, ask } = someAnswers(1100)
  revisions.set('a', 1)

  await ask('a', '1')
  await ask('a', 'x'.repeat(10_000))
  await ask('a', '1')

  assert.deepEqual(
    made.map((name) => name.slice(0, 3)),
    ['a 1', 'a x', 'a 1']
  )
})

test('an answer that cannot be made is not kept', async () => {
  const keep = keepAnswers({ revision: async () => 1 })

  await assert.rejects(keep('a', '1', () => Promise.reject(new Error('no'))))
  const answer = await keep('a', '1', async () => ({ headers: {}, body: Buffer.from('body') }))

  assert.equal(String(answer.body), 'body')
})
