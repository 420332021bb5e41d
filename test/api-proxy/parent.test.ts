import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { type TestContext, test } from 'node:test'
import { createBlobStorage } from '../simulators/blob-storage.ts'
import { createCertificateAuthority } from '../simulators/edge-hub/certificates.ts'
import { askSecurely, authority } from './hub-site.ts'
import { aDoor, aRegistry, keptValue } from './open-door.ts'

const versions = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' } as const

/** Layer 4 has a registry and blob storage; the door of layer 3 has nothing but layer 4. */
async function aChain(t: TestContext, listener: RequestListener = (_, answer) => answer.end('reached')) {
  const registry = await aRegistry(t, listener)
  const storage = createBlobStorage()
  await storage.start()
  t.after(storage.stop)
  const tls = { certificate: await authority.issue({ names: ['localhost'] }), versions }
  const at = (port: number) => ({ host: '127.0.0.1', port })
  const above = await aDoor(t, 1, { tls, places: { registry: at(registry.port), storage: at(storage.port) } })
  const standing = { trust: keptValue(authority.trustBundle) }
  const parent = { host: 'localhost', port: above.port }
  const below = await aDoor(t, 1, { tls, places: { parent }, standing })
  return { storage, above, below, parent, tls }
}

test('without a registry of its own a device leads to that of the device above', async (t) => {
  const { above, below } = await aChain(t, (asked, answer) => {
    answer.end(JSON.stringify({ url: asked.url, host: asked.headers['x-forwarded-host'] }))
  })

  for (const path of ['/v2/digital-twins/api/manifests/1?x=%2F', '/acr/oauth2/token?service=a']) {
    const answer = await askSecurely(below.port, path, { headers: { authorization: 'Bearer x' } })
    assert.deepEqual(JSON.parse(answer.body), { url: path, host: `localhost:${above.port}` })
  }
  assert.equal((await askSecurely(below.port, '/devices/x')).status, 404)
})

test('the device above takes itself for the outermost door: what names it is made to name the one below', async (t) => {
  const seen = (asked: { headers: NodeJS.Dict<string | string[]> }) => `https://${asked.headers['x-forwarded-host']}`
  const { above, below } = await aChain(t, (asked, answer) => {
    const origin = seen(asked)
    answer.writeHead(401, [
      ...['Www-Authenticate', `Bearer realm="${origin}/acr/oauth2/token",service="${origin.slice(8)}"`],
      ...['Location', `${origin}/v2/app/blobs/uploads/1`, 'Link', `<${origin}/v2/_catalog>; rel="next"`],
      ...['Link', '<https://elsewhere/v2/>; rel="next"', 'X-Origin', `${origin}/`]
    ])
    answer.end()
  })

  const { headers } = await askSecurely(below.port, '/v2/')

  const own = `https://localhost:${below.port}`
  const service = `localhost:${above.port}`
  assert.equal(headers['www-authenticate'], `Bearer realm="${own}/acr/oauth2/token",service="${service}"`)
  assert.equal(headers.location, `${own}/v2/app/blobs/uploads/1`)
  assert.equal(headers.link, `<${own}/v2/_catalog>; rel="next", <https://elsewhere/v2/>; rel="next"`)
  assert.equal(headers['x-origin'], `https://${service}/`)
})

test('a blob is stored in blocks and read in ranges at the device above, through both doors', async (t) => {
  const { below, storage } = await aChain(t)
  const content = randomBytes(300_000)
  const path = '/account/images/a%2Fpicture%20100%25.png'
  const headers = {
    'x-ms-version': '2019-12-12',
    authorization: 'SharedKey account:c2lnbmF0dXJl',
    connection: 'x-ms-version'
  }
  const put = (query: string, body: string) =>
    askSecurely(below.port, `${path}?${query}`, { method: 'PUT', headers, body })

  const hex = content.toString('hex')
  const blocks = [hex.slice(0, 200_000), hex.slice(200_000)]
  for (const [id, block] of blocks.entries()) await put(`comp=block&blockid=${id}`, block)
  const list = await put('comp=blocklist', '<BlockList><Latest>0</Latest><Latest>1</Latest></BlockList>')
  const range = await askSecurely(below.port, path, { headers: { ...headers, range: 'bytes=199990-200009' } })
  const missing = await askSecurely(below.port, '/v2/', { headers })

  assert.equal(list.status, 201)
  assert.equal(storage.blobs.get('account/images/a/picture 100%.png')?.toString(), hex)
  assert.deepEqual([range.status, range.body], [206, hex.slice(199_990, 200_010)])
  assert.deepEqual([missing.status, missing.headers['x-ms-error-code']], [404, 'BlobNotFound'])
  assert.ok(storage.requests.every((request) => request.headers.authorization === headers.authorization))
})

test('the device above is verified by name and authority, and its absence is told', async (t) => {
  const { above, parent, tls } = await aChain(t)
  const stranger = await createCertificateAuthority('somebody else')
  const trust = keptValue(authority.trustBundle)
  const doors = [
    aDoor(t, 1, { tls, places: { parent }, standing: { trust: keptValue(stranger.trustBundle) } }),
    aDoor(t, 1, { tls, places: { parent: { host: '127.0.0.1', port: above.port } }, standing: { trust } }),
    aDoor(t, 1, { tls, places: { parent: { host: 'localhost', port: 1 } }, standing: { trust } })
  ]

  for (const { port } of await Promise.all(doors)) {
    const answer = await askSecurely(port, '/v2/')
    assert.equal(answer.status, 502)
    assert.match(answer.body, /the API proxy of the device above is not reachable/)
  }
})
