import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { createTokenProofs } from '../../../modules/connected-registry/src/parent/token-proofs.ts'
import { parseTokenScopes } from '../../../modules/connected-registry/src/protocol/token-scope.ts'
import { connectionTo, openDispatcher } from './parent-rig.ts'
import { type AskedRequest, byPath, failing, json, type Script, scriptedServer } from './scripted-server.ts'

const credential = { name: 'site-reader', password: 'word' }
const authorization = `Basic ${Buffer.from('site-reader:word').toString('base64')}`

/** A parent that answers token requests by what it grants of their scopes. Undefined: it refuses the request whole. */
async function proofsOf(t: TestContext, grant: (scopes: readonly string[]) => object | undefined, sub = 'site-reader') {
  const challenge: Script = (request, response) => {
    const realm = `http://${request.headers.host}/oauth2/token`
    failing(401, 'UNAUTHORIZED', { 'www-authenticate': `Bearer realm="${realm}",service="the parent"` })(
      request,
      response
    )
  }
  const token: Script = (request, response) => {
    const scopes = new URL(`http://parent${request.url}`).searchParams.getAll('scope')
    const access = scopes.length === 0 ? [] : grant(scopes)
    if (request.headers.authorization !== authorization || !access) failing(401, 'UNAUTHORIZED')(request, response)
    else json(200, { access_token: jwt({ sub, access }) })(request, response)
  }
  const server = await scriptedServer(t, byPath({ '/v2/': challenge, '/oauth2/token': token }))
  const dispatcher = openDispatcher(t, { retry: { retries: 0 } })
  return { server, proofs: createTokenProofs({ connection: connectionTo(server.host), dispatcher }) }
}

function jwt(claims: object): string {
  return `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.signature`
}

const entriesOf = (scopes: readonly string[]) => parseTokenScopes(scopes)
const isToken = ({ target }: AskedRequest) => target.startsWith('/oauth2/token')

test('a credential is judged without a scope, by the parent alone', async (t) => {
  const { server, proofs } = await proofsOf(t, () => [])

  assert.equal(await proofs.isValid(credential, t.signal), true)
  assert.equal(await proofs.isValid({ ...credential, password: 'other' }, t.signal), false)

  assert.deepEqual(
    server.asked.filter(isToken).map(({ target }) => target),
    ['/oauth2/token?service=the+parent', '/oauth2/token?service=the+parent']
  )
})

test('grants are asked for in batches, and only what was asked for is taken', async (t) => {
  const { server, proofs } = await proofsOf(t, (scopes) => [
    ...entriesOf(scopes).map((scope) => ({ ...scope, actions: ['pull', 'admin', '*'] })),
    { type: 'repository', name: 'not/asked', actions: ['pull', 'push'] },
    { type: 'registry', name: 'catalog', actions: ['*'] }
  ])
  const repositories = Array.from({ length: 45 }, (_, at) => `app/${at}`)

  const granted = await proofs.grants(credential, repositories, t.signal)

  assert.deepEqual(granted.map(({ name }) => name).sort(), repositories.toSorted())
  assert.deepEqual([...new Set(granted.flatMap(({ actions }) => actions))], ['pull'])
  assert.equal(server.asked.filter(isToken).length, 3)
})

test('a parent that refuses a request for more than it grants is asked for less', async (t) => {
  const allowed = [
    'repository:app/3:pull,metadata_read',
    'repository:app/7:pull,push,delete,metadata_read,metadata_write'
  ]
  const { proofs } = await proofsOf(t, (scopes) =>
    scopes.every((scope) => allowed.includes(scope)) ? entriesOf(scopes) : undefined
  )
  const repositories = Array.from({ length: 10 }, (_, at) => `app/${at}`)

  const granted = await proofs.grants(credential, repositories, t.signal)

  assert.deepEqual(granted.map(({ name, actions }) => `${name} ${actions}`).sort(), [
    'app/3 pull,metadata_read',
    'app/7 pull,push,delete,metadata_read,metadata_write'
  ])
})

test('whatever a token claims, it grants nothing that was not asked for', async (t) => {
  let claimed: unknown
  const { proofs } = await proofsOf(t, () => claimed as object)
  const entry = fc.record({
    type: fc.constantFrom('repository', 'registry'),
    name: fc.constantFrom('app', 'other', '*'),
    actions: fc.oneof(fc.constant(null), fc.array(fc.constantFrom('pull', 'push', '*', 'admin')))
  })
  const claim = fc.oneof(
    fc.array(entry),
    fc.jsonValue().filter((value) => value !== null && value !== false)
  )

  await fc.assert(
    fc.asyncProperty(claim, async (access) => {
      claimed = access || []
      const granted = await proofs.grants(credential, ['app'], t.signal)

      for (const { type, name, actions } of granted) {
        assert.deepEqual([type, name], ['repository', 'app'])
        assert.ok(actions.every((action) => ['pull', 'push'].includes(action)))
      }
    }),
    { numRuns: 40 }
  )
})

test('no credential of a client goes out by http, but to this machine', async (t) => {
  const { server } = await proofsOf(t, () => [])
  const asked = (host: string) =>
    createTokenProofs({ connection: connectionTo(host), dispatcher: openDispatcher(t) }).isValid(credential, t.signal)

  for (const host of ['10.0.0.1:5000', 'registry.example', 'localhost.example', '169.254.1.1']) {
    await assert.rejects(asked(host), { code: 'TOKENS_NOT_PROVED', message: /it is not reached by https/ })
  }
  assert.equal(await asked(`localhost:${server.port}`), true)
})

test('where there is no token service of the parent, nothing is sent', async (t) => {
  const parents: Readonly<Record<string, Script>> = {
    TOKENS_NOT_PROVED: failing(401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="parent"' }),
    REALM_REFUSED: failing(401, 'UNAUTHORIZED', { 'www-authenticate': 'Bearer realm="http://elsewhere.test/token"' }),
    SERVER_ERROR: failing(500, 'UNKNOWN')
  }
  for (const [code, script] of Object.entries({ ...parents })) {
    const server = await scriptedServer(t, script)
    const dispatcher = openDispatcher(t, { retry: { retries: 0 } })
    const proofs = createTokenProofs({ connection: connectionTo(server.host), dispatcher })

    await assert.rejects(proofs.isValid(credential, t.signal), { code })

    for (const { headers } of server.asked) assert.equal(headers.authorization, undefined)
  }
})

test('a parent that lets everybody in proves nothing', async (t) => {
  const server = await scriptedServer(t, json(200, {}))
  const proofs = createTokenProofs({ connection: connectionTo(server.host), dispatcher: openDispatcher(t) })

  await assert.rejects(proofs.isValid(credential, t.signal), { code: 'TOKENS_NOT_PROVED' })
})

test('a token endpoint that moved is found again', async (t) => {
  let path = '/first'
  const server = await scriptedServer(t, (request, response) => {
    const realm = `http://${request.headers.host}${path}`
    const scripts = {
      '/v2/': failing(401, 'UNAUTHORIZED', { 'www-authenticate': `Bearer realm="${realm}"` }),
      [path]: json(200, { token: jwt({ sub: 'SITE-READER' }) })
    }
    byPath(scripts)(request, response)
  })
  const proofs = createTokenProofs({ connection: connectionTo(server.host), dispatcher: openDispatcher(t) })
  assert.equal(await proofs.isValid(credential, t.signal), true)
  path = '/second'

  await assert.rejects(proofs.isValid(credential, t.signal), { code: 'NOT_FOUND' })

  assert.equal(await proofs.isValid(credential, t.signal), true)
})
