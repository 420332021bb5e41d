import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rename, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { Agent, type RequestOptions, request } from 'node:https'
import { connect as connectPlain } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { basicAuthorization } from '../fixtures/push-image.ts'
import { createCertificateAuthority } from '../simulators/edge-hub/certificates.ts'
import { client, runApp } from './running-app.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'

const [site, clients, strangers] = await Promise.all([
  createCertificateAuthority('site'),
  createCertificateAuthority('clients'),
  createCertificateAuthority('strangers')
])

/** A registry with a certificate volume; `ask` resolves with the status and the text of the answer. */
async function aRegistry(
  t: TestContext,
  { clientCertificates = 'required', clientCa = clients.certificate as string | null } = {}
) {
  const volume = await temporaryFolder()
  const { certificate, privateKey } = await site.issue({ names: ['127.0.0.1'] })
  const files = { 'tls.crt': certificate, 'tls.key': privateKey, 'client-ca.crt': clientCa }
  for (const [name, content] of Object.entries(files))
    if (content !== null) await writeFile(join(volume, name), content)
  const app = await runApp(t, { certificateVolume: volume, clientCertificates: clientCertificates as 'required' })
  let session: Buffer | undefined
  async function ask(path: string, connection: ConnectionOptions & Pick<RequestOptions, 'agent'> = {}) {
    const options = {
      host: '127.0.0.1',
      port: app.port,
      path,
      ca: site.certificate,
      agent: false,
      session,
      ...connection
    }
    const headers = { authorization: basicAuthorization(client.name, client.password) }
    const asked = request({ ...options, headers }).end()
    asked.once('socket', (socket) => socket.on('session', (made: Buffer) => (session = made)))
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    const isResumed = (answer.socket as TLSSocket).isSessionReused()
    return { status: answer.statusCode, text: await text(answer), isResumed }
  }
  return { ask, app, volume }
}

async function shown(authority: typeof clients, lifeMs?: number): Promise<ConnectionOptions> {
  const { certificate, privateKey } = await authority.issue({
    names: ['line-1'],
    isClient: true,
    ...(lifeMs && { lifeMs })
  })
  return { cert: certificate, key: privateKey, session: undefined }
}

test('where client-ca.crt is, a client has to show a certificate of its authorities besides its token', async (t) => {
  const { ask } = await aRegistry(t)

  const none = await ask('/v2/')
  const right = await ask('/v2/', await shown(clients))
  const strange = await ask('/v2/', await shown(strangers))
  const over = await ask('/v2/', await shown(clients, -60_000))

  assert.deepEqual([none.status, right.status, strange.status, over.status], [403, 200, 403, 403])
  assert.match(none.text, /"code":"DENIED","message":"This registry is for clients that show a certificate\."/)
  assert.match(strange.text, /is not valid: SELF_SIGNED_CERT_IN_CHAIN/)
  assert.match(over.text, /is not valid: CERT_HAS_EXPIRED/)
})

test('a session that goes on is judged as it began: without a certificate nobody gets in by it', async (t) => {
  const { ask } = await aRegistry(t)
  await ask('/v2/')

  const again = await ask('/v2/')

  assert.deepEqual([again.isResumed, again.status], [true, 403])
})

test('health is answered without a certificate, for the container asks for its own', async (t) => {
  const { ask } = await aRegistry(t)

  assert.deepEqual([(await ask('/healthz')).status, (await ask('/readyz')).status], [200, 200])
})

test('where certificates are optional, none is as good as a right one, and a wrong one is refused', async (t) => {
  const { ask } = await aRegistry(t, { clientCertificates: 'optional' })

  const none = await ask('/v2/')
  const right = await ask('/v2/', await shown(clients))
  const strange = await ask('/v2/', await shown(strangers))

  assert.deepEqual([none.status, right.status, strange.status], [200, 200, 403])
})

test('a client-ca.crt that cannot be read lets nobody in', async (t) => {
  const { ask } = await aRegistry(t, { clientCa: 'no certificate' })

  assert.equal((await ask('/v2/', await shown(clients))).status, 403)
})

test('authorities of clients that are replaced count for new connections, without a restart', async (t) => {
  const { ask, app, volume } = await aRegistry(t)
  await ask('/v2/', await shown(clients))

  await writeFile(join(volume, 'new'), strangers.certificate)
  await rename(join(volume, 'new'), join(volume, 'client-ca.crt'))
  await app.line(({ msg }) => msg === 'other authorities trusted')
  // With the session of before, if it were still good.
  const former = await ask('/v2/', { ...(await shown(clients)), session: undefined })
  const now = await ask('/v2/', await shown(strangers))

  assert.deepEqual([former.status, now.status], [403, 200])
})

test('a client-ca.crt that comes later counts as soon as it is right, also where a session goes on', async (t) => {
  const { ask, app, volume } = await aRegistry(t, { clientCa: null })
  assert.equal((await ask('/v2/')).status, 200)

  await writeFile(join(volume, 'client-ca.crt'), '-----BEGIN CERTIFICATE-----\n')
  let codes: string[] = []
  while (!codes.includes('CLIENT_CA_REFUSED')) {
    const { statusDetails } = JSON.parse((await ask('/status')).text)
    codes = statusDetails.map(({ code }: { code: string }) => code)
  }
  const half = await ask('/v2/')
  await writeFile(join(volume, 'new'), clients.certificate)
  await rename(join(volume, 'new'), join(volume, 'client-ca.crt'))
  await app.line(({ msg }) => msg === 'other authorities trusted')
  const [none, right, strange] = [
    await ask('/v2/'),
    await ask('/v2/', await shown(clients)),
    await ask('/v2/', await shown(strangers))
  ]

  assert.equal(half.status, 200)
  assert.deepEqual([none.status, right.status, strange.status], [403, 200, 403])
})

for (const [what, clientCa, before, code] of [
  ['no certificate was asked for', null, {}, 403],
  ['a certificate of authorities was valid that are others now', strangers.certificate, await shown(strangers), 403]
] as const)
  test(`a connection of the time when ${what} ends, and the next one is judged`, async (t) => {
    const { ask, app, volume } = await aRegistry(t, { clientCa })
    const agent = new Agent({ keepAlive: true, maxSockets: 1, maxCachedSessions: 0 })
    t.after(() => agent.destroy())
    const kept = { ...before, agent, session: undefined }
    assert.equal((await ask('/v2/', kept)).status, 200)

    await writeFile(join(volume, 'new'), clients.certificate)
    await rename(join(volume, 'new'), join(volume, 'client-ca.crt'))
    await app.line(({ msg }) => msg === 'other authorities trusted')

    assert.equal((await ask('/healthz', kept)).status, 200)
    await assert.rejects(ask('/v2/', kept), { code: 'ECONNRESET' })
    assert.equal((await ask('/v2/', kept)).status, code)
    assert.equal((await ask('/v2/', await shown(clients))).status, 200)
  })

test('a connection is of the time when it began, not of its first request', async (t) => {
  const { app, volume } = await aRegistry(t, { clientCa: strangers.certificate })
  const certificate = { ca: site.certificate, host: '127.0.0.1', ...(await shown(strangers)) }
  const silent = connect({ ...certificate, port: app.port })
  const begun = connectPlain(app.port, '127.0.0.1')
  t.after(() => [silent, begun].map((socket) => socket.destroy()))
  const cut = once(begun, 'close').then(() => 'cut')
  await Promise.all([once(silent, 'secureConnect'), once(begun, 'connect')])

  await writeFile(join(volume, 'new'), clients.certificate)
  await rename(join(volume, 'new'), join(volume, 'client-ca.crt'))
  await app.line(({ msg }) => msg === 'other authorities trusted')

  const said = (socket: TLSSocket) => text(socket.end('GET /v2/ HTTP/1.1\r\nHost: registry\r\n\r\n'))
  const late = said(connect({ ...certificate, socket: begun })).catch(() => 'cut')
  assert.equal(await said(silent), '')
  assert.equal(await Promise.race([cut, late]), 'cut')
})

test('where certificates are optional, a connection on which none was shown goes on', async (t) => {
  const { ask, app, volume } = await aRegistry(t, { clientCertificates: 'optional', clientCa: null })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => agent.destroy())
  await ask('/v2/', { agent })

  await writeFile(join(volume, 'client-ca.crt'), clients.certificate)
  await app.line(({ msg }) => msg === 'other authorities trusted')

  assert.equal((await ask('/v2/', { agent })).status, 200)
})

test('the status tells of the certificate, and of authorities that cannot be read, or do nothing over plain HTTP', async (t) => {
  const { ask } = await aRegistry(t, { clientCertificates: 'optional', clientCa: 'no certificate' })
  const volume = await temporaryFolder()
  await writeFile(join(volume, 'client-ca.crt'), clients.certificate)
  const plain = await runApp(t, { certificateVolume: volume })

  const { certificate, statusDetails } = JSON.parse((await ask('/status')).text)

  assert.equal(certificate.source, 'volume')
  assert.match(certificate.expiresAt, /^20\d\d-/)
  const codes = (details: readonly { readonly code: string }[]) => details.map(({ code }) => code)
  assert.ok(codes(statusDetails).includes('CLIENT_CA_REFUSED'))
  assert.ok(codes((await plain.status()).statusDetails).includes('CLIENT_CA_REFUSED'))
})
