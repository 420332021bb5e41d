import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { Agent } from 'node:https'
import { test } from 'node:test'
import { createKept } from '../../modules/api-proxy/src/kept.ts'
import { createCertificateAuthority } from '../simulators/edge-hub/certificates.ts'
import { aHubSite, askSecurely, authority } from './hub-site.ts'
import { keptValue, silentLog } from './open-door.ts'

const methods = '/twins/pump/methods?api-version=2018-06-30'
const asPump = { 'x-ms-edge-moduleid': 'pump' }

test('a device without a token is known to edgeHub by its certificate, for which the door speaks with its own', async (t) => {
  const { door, web, pump } = await aHubSite(t)

  const body = '{"methodName":"stop"}'
  const answer = await askSecurely(door.port, methods, { method: 'POST', headers: asPump, body, tls: pump })

  assert.deepEqual([answer.status, JSON.parse(answer.body)], [200, { method: 'POST', url: methods }])
  const [seen] = web.requests
  assert.equal(seen?.body, body)
  assert.equal(seen?.headers['x-ms-edge-clientcert'], encodeURIComponent(new X509Certificate(pump.cert).toString()))
  assert.match(
    seen?.headers.authorization ?? '',
    /^SharedAccessSignature sr=hub\.example%2Fdevices%2Fedge-01%2Fmodules/
  )
})

test('a resumed connection still shows the certificate', async (t) => {
  const { door, pump } = await aHubSite(t)

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    // Its sessions are kept, its connections are not.
    const agent = new Agent({ keepAlive: false })
    const ask = () => askSecurely(door.port, methods, { headers: asPump, agent, tls: { ...pump, maxVersion } })
    const answers = [await ask(), await ask()]

    assert.deepEqual(
      answers.map(({ status, isResumed }) => [status, isResumed]),
      [
        [200, false],
        [200, true]
      ],
      maxVersion
    )
  }
})

test('who brings a token of its own is asked for no other, with or without a certificate', async (t) => {
  const { door, web, pump, tokenOf } = await aHubSite(t)
  const authorization = await tokenOf('camera')
  const headers = { 'x-ms-edge-moduleid': 'edge-01/camera', authorization }

  const plain = await askSecurely(door.port, methods, { headers })
  await askSecurely(door.port, methods, { headers, tls: pump })

  assert.equal(plain.status, 200)
  assert.deepEqual(
    web.requests.map(({ headers }) => headers.authorization),
    [authorization, authorization]
  )
  assert.equal(web.requests[0]?.headers['x-ms-edge-clientcert'], undefined)
})

test('nobody without a certificate is lent the identity of the door', async (t) => {
  const { door, web } = await aHubSite(t)

  const answer = await askSecurely(door.port, methods, { headers: { 'x-ms-edge-moduleid': 'edge-01/api-proxy' } })

  assert.equal(answer.status, 401)
  assert.equal(web.requests[0]?.headers.authorization, undefined)
})

test('a certificate that a client only writes into a header goes no further', async (t) => {
  const { door, web, pump } = await aHubSite(t)
  const stranger = await authority.issue({ names: ['pump'] })
  const claim = { ...asPump, 'X-Ms-Edge-ClientCert': encodeURIComponent(pump.cert) }

  const without = await askSecurely(door.port, methods, { headers: claim })
  const other = { cert: stranger.certificate, key: stranger.privateKey }
  const withAnother = await askSecurely(door.port, methods, { headers: claim, tls: other })

  assert.deepEqual([without.status, withAnother.status], [401, 401])
  assert.equal(web.requests[0]?.headers['x-ms-edge-clientcert'], undefined)
  assert.notEqual(web.requests[1]?.headers['x-ms-edge-clientcert'], encodeURIComponent(pump.cert))
})

test('where no token can be had the request is answered 502, and the next one is tried again', async (t) => {
  let isDown = true
  const { tokenOf, ...unused } = await aHubSite(t)
  const load = async () => {
    if (isDown) throw new Error('workload API, sign: no answer')
    return tokenOf('api-proxy')
  }
  const token = createKept({ what: 'token', load, freshMs: 1_000, usableMs: 1_000, log: silentLog })
  const { door, pump, web } = await aHubSite(t, { token })

  const away = await askSecurely(door.port, methods, { headers: asPump, tls: pump })
  assert.deepEqual([away.status, web.requests.length, unused.web.requests.length], [502, 0, 0])
  assert.match(away.body, /edgeHub is not reachable/)

  isDown = false
  // Signed with the key of the other site: what edgeHub makes of it is its affair.
  assert.equal((await askSecurely(door.port, methods, { headers: asPump, tls: pump })).status, 401)
})

test('a token that is none ends its request and nothing else', async (t) => {
  const { door, pump, web } = await aHubSite(t, { token: keptValue('two\r\nlines') })

  for (const path of [methods, '/devices/pump'])
    assert.equal((await askSecurely(door.port, path, { headers: asPump, tls: pump })).status, 502)
  assert.equal(web.requests.length, 0)
})

test('edgeHub is verified by its authority and by the name of the device', async (t) => {
  const stranger = await createCertificateAuthority('somebody else')
  const untrusted = await aHubSite(t, { trust: keptValue(stranger.trustBundle) })
  const misnamed = await aHubSite(t, { gatewayHost: 'another.gateway' })

  for (const { door, web, pump } of [untrusted, misnamed]) {
    assert.equal((await askSecurely(door.port, methods, { headers: asPump, tls: pump })).status, 502)
    assert.equal(web.requests.length, 0)
  }
})

test('a trust bundle that changes is read again when edgeHub is not trusted any more, within the same request', async (t) => {
  const before = await createCertificateAuthority('before')
  const bundles = [before.trustBundle, authority.trustBundle]
  const lasting = { freshMs: Number.POSITIVE_INFINITY, usableMs: Number.POSITIVE_INFINITY }
  const load = async () => bundles.shift() ?? ''
  const trust = createKept({ what: 'trust bundle', load, ...lasting, log: silentLog })
  await trust.get()
  const { door, pump } = await aHubSite(t, { trust })

  assert.equal((await askSecurely(door.port, methods, { headers: asPump, tls: pump })).status, 200)
})
