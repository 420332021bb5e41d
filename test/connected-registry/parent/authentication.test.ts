import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { basic, collect, openParent, password, tokenName } from './parent-rig.ts'
import { byPath, failing, json, type Script, type ScriptedServer, scriptedServer } from './scripted-server.ts'
import { tags, tokenParent, tokenRequests } from './token-parent.ts'

test('an access token is asked for with the service and scope, and kept until shortly before it expires', async (t) => {
  const server = await tokenParent(t)
  const { parent, signal, clock } = openParent(t, server.host)
  const app = parent.repository('app')

  assert.deepEqual(await collect(app.listTags(signal)), ['v1'])
  assert.deepEqual(await collect(app.listTags(signal)), ['v1'])
  const [asked, ...others] = tokenRequests(server)
  assert.equal(asked?.headers.authorization, basic)
  assert.equal(asked?.target, '/oauth2/token?service=the+parent&scope=repository%3Aapp%3Apull')
  assert.deepEqual(others, [])

  clock.advance(269_000)
  await collect(app.listTags(signal))
  assert.equal(tokenRequests(server).length, 1)
  clock.advance(2_000)
  await collect(app.listTags(signal))
  assert.equal(tokenRequests(server).length, 2)
  assert.equal(server.asked.filter(({ headers }) => headers.authorization === undefined).length, 1)
})

test('a token without expires_in lives as long as its claims say', async (t) => {
  const claims = Buffer.from(JSON.stringify({ iat: 5000, exp: 5100 })).toString('base64url')
  const jwt = `e30.${claims}.c2ln`
  const server = await tokenParent(t, { token: json(200, { token: jwt }), accepted: `Bearer ${jwt}` })
  const { parent, signal, clock } = openParent(t, server.host)
  const app = parent.repository('app')

  await collect(app.listTags(signal))
  clock.advance(74_000)
  await collect(app.listTags(signal))
  assert.equal(tokenRequests(server).length, 1)
  clock.advance(2_000)
  await collect(app.listTags(signal))
  assert.equal(tokenRequests(server).length, 2)
})

test('many requests at once share one token request', async (t) => {
  const server = await tokenParent(t)
  const { parent, signal } = openParent(t, server.host)
  const app = parent.repository('app')

  await Promise.all(Array.from({ length: 8 }, () => collect(app.listTags(signal))))

  assert.equal(tokenRequests(server).length, 1)
})

test('a token that is no longer accepted is renewed once', async (t) => {
  let accepted = 'first'
  const server: ScriptedServer = await scriptedServer(t, (request, response) => {
    const challenge = { 'www-authenticate': `Bearer realm="${server.url}/oauth2/token"` }
    const isOpen = request.headers.authorization === `Bearer ${accepted}`
    byPath({
      '/v2/app/tags/list': isOpen ? json(200, tags) : failing(401, 'UNAUTHORIZED', challenge),
      '/oauth2/token': (request, response) => json(200, { token: accepted })(request, response)
    })(request, response)
  })
  const { parent, signal } = openParent(t, server.host)
  const app = parent.repository('app')
  await collect(app.listTags(signal))

  accepted = 'second'

  assert.deepEqual(await collect(app.listTags(signal)), ['v1'])
  assert.equal(tokenRequests(server).length, 2)
})

test('a parent that refuses every token is UNAUTHORIZED after one renewal', async (t) => {
  const server = await tokenParent(t, { accepted: 'nothing' })
  const { parent, signal } = openParent(t, server.host)
  const app = parent.repository('app')

  await assert.rejects(collect(app.listTags(signal)), { code: 'UNAUTHORIZED', status: 401 })
  assert.equal(tokenRequests(server).length, 1)
  await assert.rejects(collect(app.listTags(signal)), { code: 'UNAUTHORIZED' })

  assert.equal(tokenRequests(server).length, 2)
})

test('a scope that the parent wants beyond ours is asked for too, from then on', async (t) => {
  const server = await tokenParent(t, { scope: 'repository:app:metadata_read' })
  const { parent, signal } = openParent(t, server.host)

  await collect(parent.repository('app').listTags(signal))

  const asked = new URL(tokenRequests(server)[0]?.target ?? '', server.url)
  assert.deepEqual(asked.searchParams.getAll('scope'), ['repository:app:pull', 'repository:app:metadata_read'])
})

test('a challenge does not make us ask for a token for something else', async (t) => {
  const server = await tokenParent(t, { scope: 'repository:other:pull,push,delete' })
  const { parent, signal } = openParent(t, server.host)

  await collect(parent.repository('app').listTags(signal))

  const asked = new URL(tokenRequests(server)[0]?.target ?? '', server.url)
  assert.deepEqual(asked.searchParams.getAll('scope'), ['repository:app:pull'])
})

test('wrong credentials are UNAUTHORIZED and named by the token alone, in errors and in logs', async (t) => {
  const server = await tokenParent(t, { token: failing(401, 'UNAUTHORIZED') })
  const { parent, signal, logged } = openParent(t, server.host)

  const error = await collect(parent.repository('app').listTags(signal)).catch((error: Error) => error)

  assert.ok(error instanceof Error)
  assert.equal('code' in error && error.code, 'UNAUTHORIZED')
  assert.match(error.message, new RegExp(tokenName))
  const secrets = [password, basic.slice('Basic '.length)]
  for (const secret of secrets) assert.ok(!`${error.stack}${JSON.stringify(error)}${logged()}`.includes(secret))
})

test('Basic credentials are sent where the parent asks for them, and from then on', async (t) => {
  const server = await scriptedServer(t, (request, response) => {
    const challenge = { 'www-authenticate': 'Basic realm="parent"' }
    const isOpen = request.headers.authorization === basic
    byPath({ '/v2/app/tags/list': isOpen ? json(200, tags) : failing(401, 'UNAUTHORIZED', challenge) })(
      request,
      response
    )
  })
  const { parent, signal } = openParent(t, server.host)
  const app = parent.repository('app')

  await collect(app.listTags(signal))
  await collect(app.listTags(signal))

  assert.deepEqual(
    server.asked.map(({ headers }) => headers.authorization),
    [undefined, basic, basic]
  )
})

test('wrong Basic credentials are tried once', async (t) => {
  const challenge = { 'www-authenticate': 'Basic realm="parent"' }
  const server = await scriptedServer(t, failing(401, 'UNAUTHORIZED', challenge))
  const { parent, signal } = openParent(t, server.host)

  await assert.rejects(parent.ping(signal), { code: 'UNAUTHORIZED' })
  assert.equal(server.asked.length, 2)
  await assert.rejects(parent.ping(signal), { code: 'UNAUTHORIZED' })

  assert.equal(server.asked.length, 3)
})

test('a token without the right is DENIED, not unknown', async (t) => {
  const challenge = { 'www-authenticate': 'Bearer realm="http://REALM/oauth2/token",error="insufficient_scope"' }
  const server: ScriptedServer = await scriptedServer(t, (request, response) => {
    const here = { 'www-authenticate': challenge['www-authenticate'].replace('REALM', server.host) }
    byPath({
      '/v2/_catalog': failing(401, 'UNAUTHORIZED', here),
      '/oauth2/token': json(200, { token: 'issued' })
    })(request, response)
  })
  const { parent, signal } = openParent(t, server.host)

  await assert.rejects(collect(parent.catalog(signal)), { code: 'DENIED' })
})

const badTokens: Readonly<Record<string, Script>> = {
  'too long to be read': json(200, { token: 'x'.repeat(300_000) }),
  'too long for a header': json(200, { token: 'x'.repeat(16_000) }),
  'more than one line': json(200, { token: 'x\r\nX-Injected: 1' }),
  missing: json(200, { expires_in: 300 }),
  'no JSON': (_, response) => response.end('<html>'),
  encoded: json(200, { token: 'x' }, { 'content-encoding': 'gzip' })
}

for (const [name, token] of Object.entries(badTokens)) {
  test(`an access token that is ${name} is a bad answer`, async (t) => {
    const server = await tokenParent(t, { token })
    const { parent, signal } = openParent(t, server.host)

    await assert.rejects(collect(parent.repository('app').listTags(signal)), { code: 'BAD_ANSWER' })
  })
}

test('one caller that gives up does not take the token from the others', async (t) => {
  const arrived = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  const token: Script = async (request, response) => {
    arrived.resolve()
    await released.promise
    json(200, { token: 'issued' })(request, response)
  }
  const server = await tokenParent(t, { token })
  const { parent, signal } = openParent(t, server.host)
  const app = parent.repository('app')
  const impatient = new AbortController()
  const first = assert.rejects(collect(app.listTags(impatient.signal)), { message: 'enough' })
  const second = collect(app.listTags(signal))
  await arrived.promise

  impatient.abort(new Error('enough'))
  await first
  released.resolve()

  assert.deepEqual(await second, ['v1'])
  assert.equal(tokenRequests(server).length, 1)
})

/** A parent with one list of tags for each repository, that opens to a token for it; `grant` says what a token is for. */
async function sharedParent(t: TestContext, grant: (scopes: readonly string[]) => readonly string[] | undefined) {
  const issued = new Map<string, readonly string[]>()
  const server: ScriptedServer = await scriptedServer(t, (request, response) => {
    const url = new URL(request.url ?? '', server.url)
    const challenge = { 'www-authenticate': `Bearer realm="${server.url}/oauth2/token"` }
    if (url.pathname === '/oauth2/token') {
      const granted = grant(url.searchParams.getAll('scope'))
      if (!granted) return failing(400, 'UNSUPPORTED')(request, response)
      const token = `token-${issued.size}`
      issued.set(token, granted)
      return json(200, { token, expires_in: 300 })(request, response)
    }
    const repository = url.pathname.split('/')[2] ?? ''
    const token = request.headers.authorization?.slice('Bearer '.length) ?? ''
    const isOpen = issued.get(token)?.includes(`repository:${repository}:pull`)
    const script = isOpen ? json(200, { ...tags, name: repository }) : failing(401, 'UNAUTHORIZED', challenge)
    return script(request, response)
  })
  return server
}

const names = Array.from({ length: 60 }, (_, each) => `app-${each}`)

test('repositories that were announced share access tokens', async (t) => {
  const server = await sharedParent(t, (scopes) => scopes)
  const { parent, signal } = openParent(t, server.host)

  parent.announce(names)
  for (const name of names) await collect(parent.repository(name).listTags(signal))

  const asked = tokenRequests(server).map(
    ({ target }) => new URL(target, server.url).searchParams.getAll('scope').length
  )
  assert.deepEqual(asked, [50, 10])
})

for (const [kind, grant] of [
  ['refuses scopes together', (scopes: readonly string[]) => (scopes.length > 1 ? undefined : scopes)],
  ['grants only the last of several', (scopes: readonly string[]) => scopes.slice(-1)]
] as const)
  test(`a token service that ${kind} is asked for each alone from then on`, async (t) => {
    const server = await sharedParent(t, grant)
    const { parent, signal } = openParent(t, server.host)

    parent.announce(names)
    for (const name of names.slice(0, 5)) await collect(parent.repository(name).listTags(signal))

    const asked = tokenRequests(server).map(({ target }) => new URL(target, server.url).searchParams.getAll('scope'))
    assert.deepEqual(
      asked.slice(-5),
      names.slice(0, 5).map((name) => [`repository:${name}:pull`])
    )
  })

test('wrong credentials are tried once, however many repositories were announced', async (t) => {
  const server = await tokenParent(t, { token: failing(401, 'UNAUTHORIZED') })
  const { parent, signal } = openParent(t, server.host)

  parent.announce(['app', 'other'])
  await assert.rejects(collect(parent.repository('app').listTags(signal)), { code: 'UNAUTHORIZED' })

  assert.equal(tokenRequests(server).length, 1)
})
