import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { type TestContext, test } from 'node:test'
import { probe } from '@connected-registry/edge-module/probe.ts'
import { createCertificateAuthority } from '../simulators/edge-hub/certificates.ts'

const authority = await createCertificateAuthority()
const ready: RequestListener = (request, response) => void response.end(`{"ready":true,"asked":"${request.url}"}`)

async function listen(t: TestContext, server: Server & { closeAllConnections(): void }): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

async function aSecurePort(t: TestContext): Promise<number> {
  const { certificate, privateKey } = await authority.issue({ names: ['edge-01.site'] })
  return listen(t, createSecureServer({ cert: certificate, key: privateKey }, ready))
}

test('a module that is ready is asked at its own address, whatever addresses it listens on', async (t) => {
  const port = await listen(t, createServer(ready))

  for (const host of [undefined, '::', '0.0.0.0', '127.0.0.1']) {
    const health = await probe({ host, port, schemes: ['http'] })
    assert.deepEqual(health, { isReady: true, text: '{"ready":true,"asked":"/readyz"}' })
  }
})

test('a module that is not ready is not, and its reasons are told', async (t) => {
  const port = await listen(
    t,
    createServer((_, response) => void response.writeHead(503).end('{"reasons":[]}\nmore'))
  )

  assert.deepEqual(await probe({ host: '::', port, schemes: ['http'] }), { isReady: false, text: '{"reasons":[]}' })
})

test('a certificate for the name that clients use is no hindrance', async (t) => {
  assert.equal((await probe({ host: '::', port: await aSecurePort(t), schemes: ['https'] })).isReady, true)
})

test('where the one scheme is not spoken, the other one is', async (t) => {
  const [plain, secure] = [await listen(t, createServer(ready)), await aSecurePort(t)]

  assert.equal((await probe({ host: '::', port: secure, schemes: ['http', 'https'] })).isReady, true)
  assert.equal((await probe({ host: '::', port: plain, schemes: ['https', 'http'] })).isReady, true)
})

test('a port where nothing listens, or nothing answers in time, is named with the reason', async (t) => {
  const silent = await listen(
    t,
    createServer(() => {})
  )
  const server = createServer()
  const gone = await listen(t, server)
  server.close()

  const refused = await probe({ host: '::', port: gone, schemes: ['http'] })
  const hung = await probe({ host: '::', port: silent, schemes: ['http'], timeoutMs: 20 })

  assert.deepEqual([refused.isReady, hung.isReady], [false, false])
  assert.equal(refused.text, `port ${gone} does not answer (http: ECONNREFUSED)`)
  assert.equal(hung.text, `port ${silent} does not answer (http: no answer in time)`)
})

test('an answer without end is not waited for', async (t) => {
  const port = await listen(
    t,
    createServer((_, response) => {
      response.writeHead(200)
      response.write('x'.repeat(100_000))
    })
  )

  assert.equal((await probe({ host: '::', port, schemes: ['http'] })).isReady, true)
})
