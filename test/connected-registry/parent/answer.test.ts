import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { requestAccessToken } from '../../../modules/connected-registry/src/parent/access-token.ts'
import { type Answer, readJson, refusal } from '../../../modules/connected-registry/src/parent/answer.ts'
import type { Dispatcher } from '../../../modules/connected-registry/src/parent/dispatcher.ts'
import { ParentError } from '../../../modules/connected-registry/src/parent/parent-error.ts'

function answer(status: number, body: Uint8Array, headers: Answer['headers'] = {}): Answer {
  async function* chunks() {
    yield body
  }
  const url = new URL('https://parent.test/v2/app/tags/list?sig=planted')
  return { operation: 'tags', url, status, headers, body: chunks(), close: () => {} }
}

const json = fc.json().map((text) => Buffer.from(text))
const body = fc.oneof(fc.uint8Array({ maxLength: 200 }), json)

test('whatever a refusal says, it is an error of ours without the text of the other side', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 201, max: 599 }), body, fc.string(), async (status, bytes, header) => {
      const error = await refusal(answer(status, bytes, { 'retry-after': header }))

      assert.ok(error instanceof ParentError)
      assert.match(error.parentCode ?? 'NONE', /^[A-Z0-9_]{1,64}$/)
      assert.doesNotMatch(error.message, /planted/)
    })
  )
})

test('a text in place of a code stays where it is', async () => {
  const bytes = Buffer.from(JSON.stringify({ errors: [{ code: 'your password is\nhunter2', message: 'x' }] }))

  const error = await refusal(answer(403, bytes))

  assert.equal(error.code, 'DENIED')
  assert.equal(error.parentCode, undefined)
  assert.doesNotMatch(error.message, /hunter2/)
})

test('whatever a body holds, it has the shape we want or is a bad answer', async () => {
  const schema = z.object({ tags: z.array(z.string()) })
  await fc.assert(
    fc.asyncProperty(body, async (bytes) => {
      const outcome = await readJson(answer(200, bytes), schema, 1000).catch((error) => error)

      if (outcome instanceof Error) assert.ok(outcome instanceof ParentError && outcome.code === 'BAD_ANSWER')
      else assert.ok(Array.isArray(outcome.tags))
    })
  )
})

test('whatever a token endpoint answers, it is a header and a span or a bad answer', async () => {
  const jwt = fc
    .tuple(json, json, fc.string())
    .map((parts) => parts.map((part) => Buffer.from(part).toString('base64url')).join('.'))
  const token = fc.oneof(fc.string(), jwt, fc.constant(undefined))
  const life = fc.oneof(fc.double(), fc.string(), fc.constant(null), fc.constant(undefined))
  const realm = new URL('https://parent.test/oauth2/token')
  const request = {
    realm,
    scopes: [],
    credentials: 'Basic eDp5',
    tokenName: 'site',
    signal: new AbortController().signal
  }

  await fc.assert(
    fc.asyncProperty(token, token, life, async (token, access_token, expires_in) => {
      const bytes = Buffer.from(JSON.stringify({ token, access_token, expires_in }))
      const dispatcher: Dispatcher = {
        request: (_, read) => read(answer(200, bytes)),
        pauseBefore: () => undefined,
        traffic: () => ({ requests: 0, writeRequests: 0, failures: 0, sentBytes: 0, receivedBytes: 0 }),
        know: () => {},
        close: async () => {}
      }

      const outcome = await requestAccessToken(dispatcher, request).catch((error) => error)

      if (outcome instanceof Error)
        assert.ok(outcome instanceof ParentError && outcome.code === 'BAD_ANSWER', String(outcome))
      else {
        assert.match(outcome.authorization, /^Bearer [\x21-\x7e]+$/)
        assert.ok(outcome.lifeMs >= 0 && outcome.lifeMs <= 24 * 60 * 60 * 1000)
      }
    })
  )
})
