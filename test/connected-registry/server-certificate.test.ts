import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { Agent, get } from 'node:https'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { createDrain } from '@connected-registry/edge-module/drain.ts'
import { openRegistryServer } from '../../modules/connected-registry/src/registry-server.ts'
import { followServerCertificate } from '../../modules/connected-registry/src/server-certificate.ts'
import { createCertificateAuthority, type IssuedCertificate } from '../simulators/edge-hub/certificates.ts'

const authority = await createCertificateAuthority()
const dayMs = 24 * 3_600_000
const issue = (days = 90) => authority.issue({ names: ['127.0.0.1'], lifeMs: days * dayMs })

async function aFolder(t: TestContext, files: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'certificate-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
  return folder
}

/** At once, as the tools that renew certificates do. */
async function replace(path: string, content: string): Promise<void> {
  await writeFile(`${path}.new`, content)
  await rename(`${path}.new`, path)
}

function pairOf({ certificate, privateKey }: IssuedCertificate) {
  return { 'tls.crt': certificate, 'tls.key': privateKey }
}

/** Follows the files; `changed` resolves with the next look that finds others. */
async function follow(t: TestContext, folder: string) {
  let told = Promise.withResolvers<void>()
  const certificate = await followServerCertificate({ folder, lookMs: 5, onChange: () => told.resolve() })
  if (certificate) t.after(certificate.close)
  async function write(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, content] of Object.entries(files)) {
      told = Promise.withResolvers()
      await replace(join(folder, name), content)
      await told.promise
    }
  }
  return { certificate, write, codes: () => certificate?.details().map(({ code }) => code) }
}

test('without a certificate the registry speaks plain HTTP', async (t) => {
  const { certificate } = await follow(t, await aFolder(t, { 'ca.crt': authority.certificate }))

  assert.equal(certificate, undefined)
})

test('a pair that is right is in force, and nothing is said of it before its last two weeks', async (t) => {
  const issued = await issue()
  const { certificate, codes } = await follow(t, await aFolder(t, pairOf(issued)))

  assert.equal(certificate?.current?.certificate, issued.certificate)
  assert.deepEqual(codes(), [])
  const old = await follow(t, await aFolder(t, pairOf(await issue(13))))
  assert.deepEqual(old.codes(), ['CERTIFICATE_EXPIRES'])
})

test('a chain that ends within a certificate is refused, and clients are shown the former', async (t) => {
  const first = await issue()
  const { certificate, write, codes } = await follow(t, await aFolder(t, pairOf(first)))
  const { connect } = await serve(t, certificate)

  await write({ 'tls.crt': `${first.certificate}\n${authority.certificate.trim().slice(0, -60)}` })

  assert.deepEqual([codes(), certificate?.current?.certificate], [['CERTIFICATE_REFUSED'], first.certificate])
  await connect()
})

test('half a pair, a pair of two and what is no PEM are refused, and the former pair stays until the next one is right', async (t) => {
  const [first, second] = [await issue(), await issue()]
  const { certificate, write, codes } = await follow(t, await aFolder(t, pairOf(first)))
  const inForce = () => certificate?.current?.certificate

  await write({ 'tls.crt': second.certificate })
  assert.deepEqual([codes(), inForce()], [['CERTIFICATE_REFUSED'], first.certificate])
  await write({ 'tls.key': 'no key at all' })
  assert.deepEqual([codes(), inForce()], [['CERTIFICATE_REFUSED'], first.certificate])
  assert.doesNotMatch(certificate?.details()[0]?.description ?? '', /no key at all/)
  await write({ 'tls.key': second.privateKey })
  assert.deepEqual([codes(), inForce()], [[], second.certificate])
})

test('a registry with half a pair lets nobody in until the other half is there', async (t) => {
  const issued = await issue()
  const { certificate, write, codes } = await follow(t, await aFolder(t, { 'tls.crt': issued.certificate }))
  const { connect } = await serve(t, certificate)

  assert.deepEqual(codes(), ['CERTIFICATE_REFUSED'])
  await assert.rejects(connect())
  await write({ 'tls.key': issued.privateKey })

  assert.equal((await connect()).protocol, 'TLSv1.3')
})

test('a new pair is for new connections, and one that is open goes on with the former', async (t) => {
  const [first, second] = [await issue(), await issue()]
  const { certificate, write } = await follow(t, await aFolder(t, pairOf(first)))
  const { connect } = await serve(t, certificate)
  const kept = new Agent({ keepAlive: true, ca: authority.certificate })
  t.after(() => kept.destroy())

  const before = await connect(kept)
  await write(pairOf(second))
  const open = await connect(kept)
  const fresh = await connect()

  assert.equal(open.serial, before.serial)
  assert.notEqual(fresh.serial, before.serial)
})

test('TLS 1.1 is refused', async (t) => {
  const { certificate } = await follow(t, await aFolder(t, pairOf(await issue())))
  const { connect } = await serve(t, certificate)

  const old = { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
  await assert.rejects(connect(new Agent({ ca: authority.certificate, ...old })), /alert protocol version/)
})

test('a cipher without forward secrecy or authenticated encryption is refused, and a modern one taken', async (t) => {
  const { certificate } = await follow(
    t,
    await aFolder(t, pairOf(await authority.issue({ names: ['127.0.0.1'], rsa: true })))
  )
  const { connect } = await serve(t, certificate)
  const by = (ciphers: string) => new Agent({ ca: authority.certificate, maxVersion: 'TLSv1.2', ciphers })

  for (const old of ['AES128-GCM-SHA256', 'AES256-SHA', 'ECDHE-RSA-AES128-SHA256', 'ECDHE-RSA-AES256-SHA']) {
    await assert.rejects(connect(by(old)), /alert handshake failure/, old)
  }
  assert.equal((await connect(by('ECDHE-RSA-AES256-GCM-SHA384'))).protocol, 'TLSv1.2')
})

// Less than the ten seconds after which it would be cut anyway.
test('a client that never shakes hands does not hold up the end', { timeout: 9_000 }, async (t) => {
  const { certificate } = await follow(t, await aFolder(t, pairOf(await issue())))
  const { server, connect } = await serve(t, certificate)
  const silent = connectTcp(server.port, '127.0.0.1')
  t.after(() => silent.destroy())
  const ended = once(silent, 'close')
  silent.resume()
  await once(silent, 'connect')
  await connect()

  await server.close()

  await ended
})

type Certificate = Awaited<ReturnType<typeof follow>>['certificate']

async function serve(t: TestContext, certificate: Certificate) {
  const onRequest = (_: unknown, response: { end(text: string): unknown }) => void response.end('hello')
  const server = await openRegistryServer({
    host: '127.0.0.1',
    port: 0,
    onRequest,
    certificate,
    drainMs: 0,
    drain: createDrain()
  })
  t.after(() => server.close())
  async function connect(agent = new Agent({ ca: authority.certificate })) {
    const request = get({ host: '127.0.0.1', port: server.port, agent })
    const [response] = await once(request, 'response')
    const socket = response.socket as TLSSocket
    const seen = { serial: socket.getPeerCertificate().serialNumber, protocol: socket.getProtocol() }
    response.resume()
    await once(response, 'end')
    return seen
  }
  return { server, connect }
}
