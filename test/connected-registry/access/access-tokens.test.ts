import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { decodeJwt, decodeProtectedHeader, exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose'
import { createAccessTokens } from '../../../modules/connected-registry/src/access/access-tokens.ts'
import { loadSigningKeys } from '../../../modules/connected-registry/src/access/signing-keys.ts'
import { createTokens, type Token } from '../../../modules/connected-registry/src/access/tokens.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import { aToken } from './some-tokens.ts'

const access = [{ type: 'repository', name: 'app/web', actions: ['pull'] }]

async function anIssuer(instanceId = 'instance-1') {
  const token = await aToken()
  const state: { tokens: readonly Token[]; now: number } = { tokens: [token], now: Date.parse('2026-01-01T00:00:00Z') }
  const now = () => state.now
  const tokens = createTokens(() => state.tokens)
  const signingKeys = await loadSigningKeys(createMemoryRecordStore(), { now })
  const accessTokens = createAccessTokens({ signingKeys, instanceId, tokens, now })
  const { hash } = token.passwords[0]!
  const issue = () => accessTokens.issue('reader', hash, access)
  const refreshToken = () => accessTokens.issueRefreshToken('reader', hash)
  return { state, token, hash, tokens, signingKeys, accessTokens, issue, refreshToken }
}

test('an access token names who and what, and is recognized until it ends', async () => {
  const { state, token, signingKeys, accessTokens, issue } = await anIssuer()
  const { accessToken, lifetimeSeconds, issuedAt } = await issue()
  const { id } = await signingKeys.current()
  const identity = { name: 'reader', scopeMap: token.scopeMap, access }

  const { jti, exp, iat, nbf, password, ...claims } = decodeJwt(accessToken)
  assert.deepEqual(decodeProtectedHeader(accessToken), { alg: 'ES256', typ: 'JWT', kid: id })
  assert.deepEqual(claims, {
    sub: 'reader',
    iss: 'Connected Registry',
    aud: 'instance-1',
    version: '1.0',
    grant_type: 'access_token',
    roles: [],
    access
  })
  assert.deepEqual([iat, nbf, exp! - iat!], [issuedAt.getTime() / 1000, iat, lifetimeSeconds])
  assert.ok(jti && password)
  assert.deepEqual(await accessTokens.recognize(accessToken), identity)
  state.now += lifetimeSeconds * 1000
  assert.deepEqual(await accessTokens.recognize(accessToken), identity)
  state.now += 5000
  assert.equal(await accessTokens.recognize(accessToken), undefined)
})

test('an access token ends with its token, its password, and follows the scope map', async () => {
  const { state, token, accessTokens, issue } = await anIssuer()
  const { accessToken } = await issue()
  assert.ok(await accessTokens.recognize(accessToken))

  state.tokens = []
  assert.equal(await accessTokens.recognize(accessToken), undefined)
  state.tokens = [{ ...token, status: 'disabled' }]
  assert.equal(await accessTokens.recognize(accessToken), undefined)
  state.tokens = [await aToken({ passwords: ['another'] })]
  assert.equal(await accessTokens.recognize(accessToken), undefined)
  const { scopeMap } = await aToken({ actions: ['repositories/other/content/read'] })
  state.tokens = [{ ...token, scopeMap }]
  assert.deepEqual((await accessTokens.recognize(accessToken))?.scopeMap, scopeMap)
})

test('a forged access token is nobody', async () => {
  const { state, signingKeys, accessTokens, issue, refreshToken } = await anIssuer()
  const { accessToken } = await issue()
  const { id: kid, privateKey } = await signingKeys.current()
  const claims = decodeJwt(accessToken)
  const mine = await generateKeyPair('ES256', { extractable: true })
  const rsa = await generateKeyPair('RS256')
  const jwk = await exportJWK(mine.publicKey)
  const ourPublic = new TextEncoder().encode(await exportSPKI(signingKeys.publicKey(kid)!))
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const sign = (header: object, key: CryptoKey | Uint8Array, changed: object = {}) =>
    new SignJWT({ ...claims, ...changed }).setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid, ...header }).sign(key)
  const [head, payload, signature] = accessToken.split('.')
  const now = state.now / 1000

  const forged = {
    'no algorithm': `${part({ alg: 'none', typ: 'JWT', kid })}.${payload}.`,
    'no algorithm, capitals': `${part({ alg: 'NONE', typ: 'JWT', kid })}.${payload}.`,
    'no signature': `${head}.${payload}.`,
    'zero signature': `${head}.${payload}.${Buffer.alloc(64).toString('base64url')}`,
    'other claims': `${head}.${part({ ...claims, sub: 'writer' })}.${signature}`,
    'another key': await sign({}, mine.privateKey),
    'its own key in the header': await sign({ jwk }, mine.privateKey),
    'a link to its key': await sign({ jku: 'http://127.0.0.1/keys', x5u: 'http://127.0.0.1/x' }, mine.privateKey),
    'a path as key id': await sign({ kid: '../../dev/null' }, mine.privateKey),
    'a key id that is none of ours': await sign({ kid: '__proto__' }, privateKey),
    'no key id': await sign({ kid: undefined }, privateKey),
    'the secret of refresh tokens': await sign({ alg: 'HS256' }, signingKeys.refreshSecret),
    'a refresh token of ours': await refreshToken(),
    'our public key as a shared secret': await sign({ alg: 'HS256' }, ourPublic),
    RSA: await sign({ alg: 'RS256' }, rsa.privateKey),
    'another audience': await sign({}, privateKey, { aud: 'instance-2' }),
    'no audience': await sign({}, privateKey, { aud: undefined }),
    'another issuer': await sign({}, privateKey, { iss: 'Azure Container Registry' }),
    'another type': await sign({ typ: 'dpop+jwt' }, privateKey),
    'an unknown critical header': `${part({ alg: 'ES256', typ: 'JWT', kid, crit: ['x'], x: 1 })}.${payload}.${signature}`,
    'a refresh token': await sign({}, privateKey, { grant_type: 'refresh_token' }),
    'no end': await sign({}, privateKey, { exp: undefined }),
    ended: await sign({}, privateKey, { exp: now - 6 }),
    'not yet begun': await sign({}, privateKey, { nbf: now + 6 }),
    'grants of no shape': await sign({}, privateKey, { access: 'everything' }),
    'many dots': '.'.repeat(10_000),
    nothing: ''
  }

  for (const [how, text] of Object.entries(forged)) {
    assert.equal(await accessTokens.recognize(text), undefined, how)
  }
  assert.ok(await accessTokens.recognize(await sign({}, privateKey)))
})

test('an access token of one instance is nobody at another one, even with the same key', async () => {
  const { tokens, signingKeys, issue, state } = await anIssuer()
  const other = createAccessTokens({ signingKeys, instanceId: 'instance-2', tokens, now: () => state.now })

  assert.equal(await other.recognize((await issue()).accessToken), undefined)
})

test('an access token signed by the former key is recognized as long as it lasts', async () => {
  const { state, accessTokens, issue } = await anIssuer()
  state.now += 30 * 24 * 3_600_000 - 1000
  const { accessToken } = await issue()
  state.now += 1000
  const { accessToken: next } = await issue()

  assert.notEqual(decodeProtectedHeader(next).kid, decodeProtectedHeader(accessToken).kid)
  state.now += 14 * 60_000
  assert.ok(await accessTokens.recognize(accessToken))
  assert.ok(await accessTokens.recognize(next))
})

test('a refresh token stands for its password for as long as that lasts, and no longer', async () => {
  const { state, token, hash, accessTokens, refreshToken } = await anIssuer()
  const text = await refreshToken()
  assert.deepEqual(await accessTokens.redeem(text), { token, hash })

  state.now += 10 * 365 * 24 * 3_600_000
  assert.deepEqual(await accessTokens.redeem(text), { token, hash })
  state.tokens = []
  assert.equal(await accessTokens.redeem(text), undefined)
  state.tokens = [{ ...token, status: 'disabled' }]
  assert.equal(await accessTokens.redeem(text), undefined)
  state.tokens = [await aToken({ passwords: ['another'] })]
  assert.equal(await accessTokens.redeem(text), undefined)
  state.tokens = [{ ...token, passwords: [{ hash, expiry: '2030-01-01T00:00:00Z' }] }]
  assert.equal(await accessTokens.redeem(text), undefined)
  state.now = Date.parse('2029-12-31T00:00:00Z')
  assert.ok(await accessTokens.redeem(text))
})

test('a forged refresh token stands for nothing', async () => {
  const { state, signingKeys, accessTokens, issue, refreshToken, tokens } = await anIssuer()
  const text = await refreshToken()
  const claims = decodeJwt(text)
  const { privateKey } = await signingKeys.current()
  const sign = (header: object, key: CryptoKey | Uint8Array, changed: object = {}) =>
    new SignJWT({ ...claims, ...changed }).setProtectedHeader({ alg: 'HS256', typ: 'JWT', ...header }).sign(key)
  const [, payload] = text.split('.')
  const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')
  const forged = {
    'no algorithm': `${none}.${payload}.`,
    'an empty secret': await sign({}, new Uint8Array(32)),
    'the key of access tokens': await sign({ alg: 'ES256' }, privateKey),
    'an access token': (await issue()).accessToken,
    'the claims of an access token': await sign({}, signingKeys.refreshSecret, { grant_type: 'access_token' }),
    'another audience': await sign({}, signingKeys.refreshSecret, { aud: 'instance-2' }),
    'another issuer': await sign({}, signingKeys.refreshSecret, { iss: 'x' }),
    'not yet begun': await sign({}, signingKeys.refreshSecret, { nbf: state.now / 1000 + 6 }),
    nothing: ''
  }

  for (const [how, one] of Object.entries(forged)) assert.equal(await accessTokens.redeem(one), undefined, how)
  assert.ok(await accessTokens.redeem(await sign({}, signingKeys.refreshSecret)))
  const other = createAccessTokens({ signingKeys, instanceId: 'instance-2', tokens, now: () => state.now })
  assert.equal(await other.redeem(text), undefined)
})

test('a token with white space in its signature is none', async () => {
  const { accessTokens, issue } = await anIssuer()
  const { accessToken } = await issue()

  for (const space of [' ', '\n', '\t']) {
    const spaced = accessToken.slice(0, -10) + space + accessToken.slice(-10)
    assert.equal(await accessTokens.recognize(spaced), undefined)
  }
  assert.ok(await accessTokens.recognize(accessToken))
})

test('no text makes recognition fail', async () => {
  const { accessTokens, issue } = await anIssuer()
  const { accessToken } = await issue()
  // The last character holds bits that no byte of the signature needs.
  const cut = fc
    .tuple(fc.nat(accessToken.length - 2), fc.string())
    .map(([at, text]) => accessToken.slice(0, at) + text + accessToken.slice(at + 1))
  const header = fc.json().map((json) => `${Buffer.from(json).toString('base64url')}.e30.AAAA`)

  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string(), cut, header), async (text) => {
      if (text !== accessToken) assert.equal(await accessTokens.recognize(text), undefined)
      assert.equal(await accessTokens.redeem(text), undefined)
    }),
    { numRuns: 200 }
  )
})
