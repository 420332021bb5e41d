import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { anImage } from '../../fixtures/image-builder.ts'
import { basic, rawExchange, serveRegistry } from './served-registry.ts'

const traversals = [
  '/v2/../../etc/passwd/manifests/v1',
  '/v2/app/../secret/manifests/v1',
  '/v2/app/./web/manifests/v1',
  '/v2/app//web/manifests/v1',
  '/v2/app%2Fweb/manifests/v1',
  '/v2/app%2fweb/tags/list',
  '/v2/app/..%2f..%2fetc/manifests/v1',
  '/v2/%2e%2e/manifests/v1',
  '/v2/app%00/manifests/v1',
  '/v2/APP/manifests/v1',
  '/v2/app\\web/manifests/v1',
  `/v2/${'a/'.repeat(200)}a/manifests/v1`,
  '/v2/app/web%ff/manifests/v1'
]

test('a name that is none is refused, whatever its spelling', async (t) => {
  const served = await serveRegistry(t)
  await served.hold('app/web', anImage(), 'v1')

  for (const path of traversals) {
    const answer = await served.send('GET', path, basic())
    const nobody = await served.send('GET', path)

    assert.deepEqual([answer.status, answer.code], [400, 'NAME_INVALID'], path)
    assert.equal(nobody.status, 401, path)
    assert.doesNotMatch(nobody.headers['www-authenticate']!, /scope/, path)
  }
})

test('a reference that is none never reaches the store', async (t) => {
  const served = await serveRegistry(t)
  const references = [
    '..',
    '..%2f..%2fetc%2fpasswd',
    'sha256:..%2f',
    'sha256%3A%2e%2e',
    `sha256:${'A'.repeat(64)}`,
    '%'
  ]

  for (const reference of references) {
    for (const kind of ['manifests', 'blobs', 'referrers']) {
      const answer = await served.send('GET', `/v2/app/web/${kind}/${reference}`, basic())
      assert.ok([400, 404].includes(answer.status), `${kind}/${reference}: ${answer.status}`)
    }
  }
})

test('no path makes the registry fail', async (t) => {
  const served = await serveRegistry(t)
  const piece = fc.constantFrom(
    ...[
      '/v2',
      '/',
      'app',
      '/manifests/',
      '/blobs/',
      'uploads/',
      '/tags/list',
      '/referrers/',
      'v1',
      '?',
      '&n=',
      'scope='
    ],
    ...['..', '%2f', '%', '%ff', '//', '\\', '@', '[', ':', '#', '*', '(', ';', '__proto__', 'constructor', '%c0%af']
  )
  const path = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`)

  await fc.assert(
    fc.asyncProperty(path, fc.constantFrom('GET', 'HEAD', 'OPTIONS', 'PUT'), async (text, method) => {
      const answer = await served.send(method, text, basic('writer'))
      assert.ok(answer.status < 500, `${method} ${text}: ${answer.status}`)
    }),
    { numRuns: 300 }
  )
  assert.doesNotMatch(served.log(), /"level":"error"/)
})

test('a request target that is no path is refused', async (t) => {
  const { port } = await serveRegistry(t)
  const targets = ['http://127.0.0.1/v2/', 'http://[::/v2/', '*', '/v2/\xa0', '/v2/#x', '//a@[::/#']

  for (const target of targets) {
    const received = await rawExchange(
      port,
      Buffer.from(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`, 'latin1')
    )
    assert.match(received, /^HTTP\/1\.1 400 /, target)
  }
})

test('headers that mean something to JavaScript mean nothing here', async (t) => {
  const { port } = await serveRegistry(t)
  const head = `Host: x\r\nAuthorization: ${basic().authorization}\r\nConnection: close\r\n`
  const odd = '__proto__: x\r\nconstructor: x\r\ntoString: x\r\nhasOwnProperty: x\r\n'

  const received = await rawExchange(port, `GET /v2/?__proto__=x&constructor=y HTTP/1.1\r\n${head}${odd}\r\n`)

  assert.match(received, /^HTTP\/1\.1 200 /)
})

test('a head without end is refused, and others are served on', async (t) => {
  const served = await serveRegistry(t)

  const received = await rawExchange(
    served.port,
    `GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${'A'.repeat(2 ** 20)}\r\n\r\n`
  )

  assert.match(received, /^HTTP\/1\.1 431 |^$/)
  assert.equal((await served.send('GET', '/v2/', basic())).status, 200)
})

test('a message of two lengths is refused', async (t) => {
  const { port } = await serveRegistry(t)
  const smuggled = [
    'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde',
    'Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n'
  ]

  for (const rest of smuggled) {
    const received = await rawExchange(port, `PUT /v2/app/web/manifests/v1 HTTP/1.1\r\nHost: x\r\n${rest}`)
    assert.match(received, /^HTTP\/1\.1 400 /, rest)
  }
})

test('a head that two readers could read in two ways is refused', async (t) => {
  const { port } = await serveRegistry(t)
  const { authorization } = basic()
  const heads = {
    'a folded header': `Host: x\r\nAuthorization: Basic\r\n ${authorization.slice(6)}\r\n\r\n`,
    'a bare line feed': `Host: x\nAuthorization: ${authorization}\r\n\r\n`,
    'a space before the colon': `Host: x\r\nContent-Length : 4\r\n\r\nabcd`,
    'a length with a sign': `Host: x\r\nContent-Length: +4\r\n\r\nabcd`,
    'a length twice in one': `Host: x\r\nContent-Length: 4, 4\r\n\r\nabcd`,
    'a nul': `Host: x\r\nAuthorization: ${authorization}\0\r\n\r\n`,
    'two hosts': `Host: x\r\nHost: y\r\nAuthorization: ${authorization}\r\n\r\n`,
    'no host': `Authorization: ${authorization}\r\n\r\n`,
    'a chunk of odd size': 'Host: x\r\nTransfer-Encoding: chunked\r\n\r\n0x4\r\nabcd\r\n0\r\n\r\n'
  }

  for (const [what, head] of Object.entries(heads)) {
    const received = await rawExchange(port, `PUT /v2/app/web/manifests/v1 HTTP/1.1\r\nConnection: close\r\n${head}`)
    assert.match(received, /^HTTP\/1\.1 400 /, what)
  }
})

test('an Authorization header that proves nothing is nobody', async (t) => {
  const served = await serveRegistry(t)
  const values = ['', 'Bearer', 'Bearer ', 'Bearer a.b.c', 'Basic', 'Basic Og==', 'Negotiate x', 'Basic \xff\xfe', '\t']

  for (const authorization of values) {
    const answer = await served.send('GET', '/v2/', { authorization })
    assert.equal(answer.status, 401, authorization)
  }
})

test('an unexpected failure says nothing of its cause to the client, and everything to the log', async (t) => {
  const served = await serveRegistry(t, {
    registry: (registry) => ({
      ...registry,
      manifests: {
        ...registry.manifests,
        get: async () => {
          throw new Error('the disk at /data/registry is on fire')
        }
      }
    })
  })

  const answer = await served.send('GET', '/v2/app/web/manifests/v1?sig=secret', basic())

  assert.deepEqual([answer.status, answer.code], [500, 'INTERNAL'])
  assert.doesNotMatch(answer.text, /fire|data/)
  assert.match(served.log(), /on fire/)
  assert.doesNotMatch(served.log(), /sig=secret|Basic /)
})
