import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { decodeJwt, decodeProtectedHeader, exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose'
import { createAccessTokens } from '../../../modules/connected-registry/src/access/access-tokens.ts'
import { loadSigningKey } from '../../../modules/connected-registry/src/access/signing-key.ts'
import { createTokens, type Token } from '../../../modules/connected-registry/src/access/tokens.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import { aToken } from './some-tokens.ts'

const access = [{ type: 'repository', name: 'app/web', actions: ['pull'] }]

async function anIssuer(instanceId = 'instance-1') {
  const token = await aToken()
  const state: { tokens: readonly Token[]; now: number } = { tokens: [token], now: Date.parse('2026-01-01T00:00:00Z') }
  const now = () => state.now
  const tokens = createTokens(() => state.tokens, now)
  const signingKey = await loadSigningKey(createMemoryRecordStore())
  const accessTokens = createAccessTokens({ signingKey, instanceId, tokens, now })
  const issue = () => accessTokens.issue('reader', token.passwords[0]!.hash, access)
  return { state, token, tokens, signingKey, accessTokens, issue }
}

test('an access token names who and what, and is recognized until it ends', async () => {
  const { state, token, accessTokens, issue } = await anIssuer()
  const { accessToken, lifetimeSeconds, issuedAt } = await issue()
  const identity = { name: 'reader', scopeMap: token.scopeMap, access }

  const { jti, exp, iat, nbf, password, ...claims } = decodeJwt(accessToken)
  assert.deepEqual(decodeProtectedHeader(accessToken), { alg: 'ES256', typ: 'JWT' })
  assert.deepEqual(claims, {
    sub: 'reader',
    iss: 'Connected Registry',
    aud: 'instance-1',
    version: '1.0',
    grant_type: 'access_token',
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
  const { state, signingKey, accessTokens, issue } = await anIssuer()
  const { accessToken } = await issue()
  const claims = decodeJwt(accessToken)
  const mine = await generateKeyPair('ES256', { extractable: true })
  const rsa = await generateKeyPair('RS256')
  const jwk = await exportJWK(mine.publicKey)
  const ourPublic = new TextEncoder().encode(await exportSPKI(signingKey.publicKey))
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const sign = (header: object, key: CryptoKey | Uint8Array, changed: object = {}) =>
    new SignJWT({ ...claims, ...changed }).setProtectedHeader({ alg: 'ES256', typ: 'JWT', ...header }).sign(key)
  const [head, payload, signature] = accessToken.split('.')
  const now = state.now / 1000

  const forged = {
    'no algorithm': `${part({ alg: 'none', typ: 'JWT' })}.${payload}.`,
    'no algorithm, capitals': `${part({ alg: 'NONE', typ: 'JWT' })}.${payload}.`,
    'no signature': `${head}.${payload}.`,
    'zero signature': `${head}.${payload}.${Buffer.alloc(64).toString('base64url')}`,
    'other claims': `${head}.${part({ ...claims, sub: 'writer' })}.${signature}`,
    'another key': await sign({}, mine.privateKey),
    'its own key in the header': await sign({ jwk }, mine.privateKey),
    'a link to its key': await sign({ jku: 'http://127.0.0.1/keys', x5u: 'http://127.0.0.1/x' }, mine.privateKey),
    'a key id': await sign({ kid: '../../dev/null' }, mine.privateKey),
    'our public key as a shared secret': await sign({ alg: 'HS256' }, ourPublic),
    RSA: await sign({ alg: 'RS256' }, rsa.privateKey),
    'another audience': await sign({}, signingKey.privateKey, { aud: 'instance-2' }),
    'no audience': await sign({}, signingKey.privateKey, { aud: undefined }),
    'another issuer': await sign({}, signingKey.privateKey, { iss: 'Azure Container Registry' }),
    'another type': await sign({ typ: 'dpop+jwt' }, signingKey.privateKey),
    'an unknown critical header': `${part({ alg: 'ES256', typ: 'JWT', crit: ['x'], x: 1 })}.${payload}.${signature}`,
    'a refresh token': await sign({}, signingKey.privateKey, { grant_type: 'refresh_token' }),
    'no end': await sign({}, signingKey.privateKey, { exp: undefined }),
    ended: await sign({}, signingKey.privateKey, { exp: now - 6 }),
    'not yet begun': await sign({}, signingKey.privateKey, { nbf: now + 6 }),
    'grants of no shape': await sign({}, signingKey.privateKey, { access: 'everything' }),
    'many dots': '.'.repeat(10_000),
    nothing: ''
  }

  for (const [how, text] of Object.entries(forged)) {
    assert.equal(await accessTokens.recognize(text), undefined, how)
  }
  assert.ok(await accessTokens.recognize(await sign({}, signingKey.privateKey)))
})

test('an access token of one instance is nobody at another one, even with the same key', async () => {
  const { tokens, signingKey, issue, state } = await anIssuer()
  const other = createAccessTokens({ signingKey, instanceId: 'instance-2', tokens, now: () => state.now })

  assert.equal(await other.recognize((await issue()).accessToken), undefined)
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
    }),
    { numRuns: 200 }
  )
})
