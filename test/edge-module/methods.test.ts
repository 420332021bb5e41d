import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerMethod, type MethodResponse } from '@connected-registry/edge-module/methods.ts'
import type { Json } from '@connected-registry/edge-module/twin.ts'
import fc from 'fast-check'
import { recordedLog } from './edge-device.ts'

const bytes = (text: string) => Buffer.from(text)

function answer(method: (payload: unknown) => Promise<MethodResponse>, body = 'null', timeoutMs = 5_000) {
  return answerMethod({ sync: method }, 'sync', bytes(body), { timeoutMs, log: recordedLog().log })
}

test('the payload of a method is the JSON that was sent', async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), async (value) => {
      const response = await answer(
        async (payload) => ({ status: 200, payload: payload as Json }),
        JSON.stringify(value)
      )

      assert.deepEqual(response, { status: 200, payload: JSON.parse(JSON.stringify(value)) })
    })
  )
})

test('a method called without a payload gets none', async () => {
  assert.deepEqual(await answer(async (payload) => ({ status: 200, payload: payload === undefined }), ''), {
    status: 200,
    payload: true
  })
})

test('any bytes are answered with a status', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array(), async (body) => {
      const options = { timeoutMs: 5_000, log: recordedLog().log }
      const response = await answerMethod({ m: async () => ({ status: 200, payload: null }) }, 'm', body, options)

      assert.ok(response.status === 200 || response.status === 400)
    })
  )
})

test('a payload that is not JSON answers 400', async () => {
  const response = await answer(async () => ({ status: 200, payload: null }), '{')

  assert.deepEqual(response, { status: 400, payload: { message: 'the payload is not JSON' } })
})

test('a method that throws answers 500 with its message', async () => {
  const failures = [
    async () => {
      throw new Error('no parent')
    },
    () => {
      throw new Error('no parent')
    }
  ]

  for (const fail of failures) assert.deepEqual(await answer(fail), { status: 500, payload: { message: 'no parent' } })
})

test('a method that takes too long answers 500', async () => {
  const { status, payload } = await answer(() => new Promise(() => undefined), 'null', 20)

  assert.equal(status, 500)
  assert.match(JSON.stringify(payload), /sync: no answer within 20 ms/)
})

test('a status that is none and a payload that no hub would carry answer 500', async () => {
  assert.equal((await answer(async () => ({ status: 0, payload: null }))).status, 500)
  assert.equal((await answer(async () => ({ status: 200, payload: 'x'.repeat(128 * 1024) }))).status, 500)
})
