import assert from 'node:assert/strict'
import test from 'node:test'
import { createCredentials } from '../../../modules/connected-registry/src/access/credentials.ts'
import { createTokens, type Token } from '../../../modules/connected-registry/src/access/tokens.ts'
import { aToken, nobodysHash } from './some-tokens.ts'

function credentialsOf(tokens: readonly Token[], lineLimit?: number) {
  const state = { tokens, now: Date.parse('2026-01-01T00:00:00Z') }
  const now = () => state.now
  const known = createTokens(() => state.tokens)
  const credentials = createCredentials({ tokens: known, now, lineLimit, nobodysHash })
  const prove = (name: string, password: string, address = '127.0.0.1') =>
    credentials.prove({ name, password, address })
  /** The hash that was proved, or why it was refused. */
  const outcome = async (name: string, password: string, address?: string) => {
    const proof = await prove(name, password, address)
    return proof.kind === 'proved' ? proof.hash : proof.reason
  }
  return { state, prove, outcome }
}

test('each password of a token proves it, and nothing else does', async () => {
  const token = await aToken({ passwords: ['first', 'second'] })
  const { outcome } = credentialsOf([token])

  assert.equal(await outcome('reader', 'first'), token.passwords[0]!.hash)
  assert.equal(await outcome('reader', 'second'), token.passwords[1]!.hash)
  for (const [name, password, reason] of [
    ['reader', 'third', 'wrong password'],
    ['reader', '', 'wrong password'],
    ['Reader', 'first', 'unknown token'],
    ['nobody', 'first', 'unknown token'],
    ['__proto__', 'first', 'unknown token']
  ] as const) {
    assert.equal(await outcome(name, password), reason, `${name} ${password}`)
  }
})

test('a disabled token, an expired password and an expiry that cannot be read prove nothing', async () => {
  const { outcome, prove } = credentialsOf([
    await aToken({ name: 'disabled', status: 'disabled' }),
    await aToken({ name: 'expired', passwords: [{ password: 'secret', expiry: '2025-12-31T23:59:59Z' }] }),
    await aToken({ name: 'garbled', passwords: [{ password: 'secret', expiry: 'soon' }] }),
    await aToken({ name: 'valid', passwords: [{ password: 'secret', expiry: '9999-12-31T23:59:59.999999+00:00' }] })
  ])

  assert.equal(await outcome('disabled', 'secret'), 'disabled token')
  assert.equal(await outcome('expired', 'secret'), 'expired password')
  assert.equal(await outcome('garbled', 'secret'), 'expired password')
  assert.equal((await prove('valid', 'secret')).kind, 'proved')
})

test('what was proved is refused at once when the settings no longer say so', async () => {
  const token = await aToken({ passwords: [{ password: 'secret', expiry: '2026-01-01T00:01:00Z' }] })
  const { state, outcome } = credentialsOf([token])
  const { hash } = token.passwords[0]!
  assert.equal(await outcome('reader', 'secret'), hash)

  state.tokens = [await aToken({ passwords: ['another'] })]
  assert.equal(await outcome('reader', 'secret'), 'wrong password')
  state.tokens = []
  assert.equal(await outcome('reader', 'secret'), 'unknown token')
  state.tokens = [{ ...token, status: 'disabled' }]
  assert.equal(await outcome('reader', 'secret'), 'disabled token')
  state.tokens = [token]
  assert.equal(await outcome('reader', 'secret'), hash)
  state.now += 60_000
  assert.equal(await outcome('reader', 'secret'), 'expired password')
})

test('when too many are in line others are refused, but not those who were proved before', async () => {
  const { outcome, prove } = credentialsOf([await aToken()], 2)
  await prove('reader', 'secret')

  const inLine = [outcome('reader', 'wrong'), outcome('reader', 'worse')]
  await assert.rejects(prove('reader', 'worst'), { code: 'TOOMANYREQUESTS' })

  assert.equal((await prove('reader', 'secret')).kind, 'proved')
  assert.deepEqual(await Promise.all(inLine), ['wrong password', 'wrong password'])
  assert.equal(await outcome('reader', 'wrong'), 'wrong password')
})

test('a proof is remembered for five minutes', async () => {
  const { state, prove } = credentialsOf([await aToken(), await aToken({ name: 'writer' })], 1)
  await prove('writer', 'secret')
  state.now += 60_000
  await prove('reader', 'secret')
  state.now += 4 * 60_000

  // With somebody in the only place, whoever is not remembered is refused.
  const inLine = prove('writer', 'secret')
  assert.equal((await prove('reader', 'secret')).kind, 'proved')
  state.now += 60_000
  await assert.rejects(prove('reader', 'secret'), { code: 'TOOMANYREQUESTS' })

  await inLine
  assert.equal((await prove('reader', 'secret')).kind, 'proved')
})

test('who was right within the last day comes before all guesses, also where these take every place in line', async () => {
  const { state, outcome, prove } = credentialsOf([await aToken()], 3)
  await prove('reader', 'secret')
  state.now += 3_600_000
  const order: string[] = []
  const note = async (name: string, password: string) => void order.push(`${name}: ${await outcome(name, password)}`)

  const inLine = ['one', 'two', 'three'].map((name) => note(name, 'guess'))
  await assert.rejects(prove('four', 'guess'), { code: 'TOOMANYREQUESTS' })
  await Promise.all([...inLine, note('reader', 'secret')])

  assert.deepEqual([order[0], order[1]?.slice(0, 14)], ['one: unknown token', 'reader: scrypt'])
})

test('one address that takes every place in line keeps no other from being heard, and waits for its turn', async () => {
  const { outcome, prove } = credentialsOf([await aToken()], 4)
  const order: string[] = []
  const note = async (name: string, password: string, address: string) => {
    const told = await outcome(name, password, address).catch(({ code }) => code)
    order.push(`${name}: ${told.slice(0, 6)}`)
  }

  const flood = ['one', 'two', 'three', 'four'].map((name) => note(name, 'guess', '10.0.0.1'))
  const others = ['10.0.0.2', '10.0.0.3'].map((address) =>
    note('reader', address === '10.0.0.2' ? 'secret' : '', address)
  )
  await assert.rejects(prove('five', 'guess', '10.0.0.1'), { code: 'TOOMANYREQUESTS' })
  await Promise.all([...flood, ...others])

  const refused = ['four: TOOMAN', 'three: TOOMAN']
  assert.deepEqual(order, [...refused, 'one: unknow', 'two: unknow', 'reader: scrypt', 'reader: wrong '])
})

test('who guesses a name from one address does not shut out who has that name elsewhere', async () => {
  const { outcome, prove } = credentialsOf([await aToken()])
  for (let guess = 0; guess < 10; guess++) await outcome('reader', `${guess}`, '10.0.0.1')
  await assert.rejects(prove('reader', 'secret', '10.0.0.1'), { code: 'TOOMANYREQUESTS' })

  assert.match(await outcome('reader', 'secret', '10.0.0.2'), /^scrypt/)
})

test('who show the same at the same time are proved once, and take one place in line', async () => {
  const { outcome } = credentialsOf([await aToken()], 1)

  const outcomes = await Promise.all(Array.from({ length: 100 }, () => outcome('reader', 'secret')))

  assert.equal(new Set(outcomes).size, 1)
  assert.match(outcomes[0]!, /^scrypt/)
})

test('who guesses a name does not shut out who knew its password within the last day', async () => {
  const { state, outcome, prove } = credentialsOf([await aToken()])
  const { hash } = (await aToken()).passwords[0]!
  await prove('reader', 'secret')
  state.now += 23 * 3_600_000
  for (let guess = 0; guess < 10; guess++) await outcome('reader', `${guess}`)
  await assert.rejects(prove('reader', 'another'), { code: 'TOOMANYREQUESTS' })

  assert.match(await outcome('reader', 'secret'), /^scrypt/)
  // What is no longer right is vouched for once more at the most.
  state.tokens = [{ ...(await aToken()), passwords: [{ hash: hash.replace(/.{4}$/, 'AAAA') }] }]
  assert.equal(await outcome('reader', 'secret'), 'wrong password')
  await assert.rejects(prove('reader', 'secret'), { code: 'TOOMANYREQUESTS' })
})

test('whoever guesses is slowed down, and who was proved before is not', async () => {
  const { state, outcome, prove } = credentialsOf([await aToken(), await aToken({ name: 'writer' })])
  await prove('reader', 'secret')
  for (let guess = 0; guess < 10; guess++) assert.equal(await outcome('reader', `${guess}`), 'wrong password')

  await assert.rejects(prove('reader', 'another'), { code: 'TOOMANYREQUESTS', detail: { retryAfterSeconds: 3 } })
  assert.equal((await prove('reader', 'secret')).kind, 'proved')
  assert.equal((await prove('writer', 'secret')).kind, 'proved')
  state.now += 3000
  assert.equal(await outcome('reader', 'another'), 'wrong password')
})

test('however many log in rightly, nobody is slowed down', async () => {
  const { outcome, state } = credentialsOf([await aToken()])

  for (let login = 0; login < 30; login++) {
    state.now += 5 * 60_000
    assert.match(await outcome('reader', 'secret'), /^scrypt/)
  }
})
