import assert from 'node:assert/strict'
import test from 'node:test'
import { createCredentials } from '../../../modules/connected-registry/src/access/credentials.ts'
import { createTokens, type Token } from '../../../modules/connected-registry/src/access/tokens.ts'
import { aToken } from './some-tokens.ts'

function credentialsOf(tokens: readonly Token[], lineLimit?: number) {
  const state = { tokens, now: Date.parse('2026-01-01T00:00:00Z') }
  const now = () => state.now
  return { state, credentials: createCredentials({ tokens: createTokens(() => state.tokens, now), now, lineLimit }) }
}

test('each password of a token proves it, and nothing else does', async () => {
  const token = await aToken({ passwords: ['first', 'second'] })
  const { credentials } = credentialsOf([token])

  assert.equal(await credentials.prove('reader', 'first'), token.passwords[0]!.hash)
  assert.equal(await credentials.prove('reader', 'second'), token.passwords[1]!.hash)
  for (const [name, password] of [
    ['reader', 'third'],
    ['reader', ''],
    ['Reader', 'first'],
    ['nobody', 'first'],
    ['__proto__', 'first']
  ] as const) {
    assert.equal(await credentials.prove(name, password), undefined, `${name} ${password}`)
  }
})

test('a disabled token, an expired password and an expiry that cannot be read prove nothing', async () => {
  const { credentials } = credentialsOf([
    await aToken({ name: 'disabled', status: 'disabled' }),
    await aToken({ name: 'expired', passwords: [{ password: 'secret', expiry: '2025-12-31T23:59:59Z' }] }),
    await aToken({ name: 'garbled', passwords: [{ password: 'secret', expiry: 'soon' }] }),
    await aToken({ name: 'valid', passwords: [{ password: 'secret', expiry: '9999-12-31T23:59:59.999999+00:00' }] })
  ])

  for (const name of ['disabled', 'expired', 'garbled']) {
    assert.equal(await credentials.prove(name, 'secret'), undefined, name)
  }
  assert.ok(await credentials.prove('valid', 'secret'))
})

test('what was proved is refused at once when the settings no longer say so', async () => {
  const token = await aToken({ passwords: [{ password: 'secret', expiry: '2026-01-01T00:01:00Z' }] })
  const { state, credentials } = credentialsOf([token])
  assert.ok(await credentials.prove('reader', 'secret'))

  state.tokens = [await aToken({ passwords: ['another'] })]
  assert.equal(await credentials.prove('reader', 'secret'), undefined)
  state.tokens = []
  assert.equal(await credentials.prove('reader', 'secret'), undefined)
  state.tokens = [{ ...token, status: 'disabled' }]
  assert.equal(await credentials.prove('reader', 'secret'), undefined)
  state.tokens = [token]
  assert.ok(await credentials.prove('reader', 'secret'))
  state.now += 60_000
  assert.equal(await credentials.prove('reader', 'secret'), undefined)
})

test('when too many are in line others are refused, but not those who were proved before', async () => {
  const { credentials } = credentialsOf([await aToken()], 2)
  await credentials.prove('reader', 'secret')

  const inLine = [credentials.prove('reader', 'wrong'), credentials.prove('reader', 'wrong')]
  await assert.rejects(credentials.prove('reader', 'wrong'), { code: 'TOOMANYREQUESTS' })

  assert.ok(await credentials.prove('reader', 'secret'))
  assert.deepEqual(await Promise.all(inLine), [undefined, undefined])
  assert.equal(await credentials.prove('reader', 'wrong'), undefined)
})

test('a proof is remembered for five minutes', async () => {
  const { state, credentials } = credentialsOf([await aToken()], 1)
  await credentials.prove('reader', 'secret')

  // With somebody in the only place, whoever is not remembered is refused.
  const inLine = credentials.prove('reader', 'wrong')
  assert.ok(await credentials.prove('reader', 'secret'))
  state.now += 5 * 60_000
  await assert.rejects(credentials.prove('reader', 'secret'), { code: 'TOOMANYREQUESTS' })

  await inLine
  assert.ok(await credentials.prove('reader', 'secret'))
})
