import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createSecureServer, request } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Address } from '../../modules/api-proxy/src/routes.ts'
import { freePorts } from '../fixtures/ports.ts'
import { requireTool } from '../fixtures/tools.ts'
import { authority } from './hub-site.ts'
import { aDoor, keptValue } from './open-door.ts'
import { comparison, type Deployment, type Row } from './original/comparison.ts'
import { type OriginalPlaces, startOriginal } from './original/nginx.ts'

const token = 'SharedAccessSignature of the proxy'
const moduleId = 'api-proxy'
const device = await authority.issue({ names: ['device'], isClient: true })
const escaped = encodeURIComponent(new X509Certificate(device.certificate).toString())

/** A place that says in its answer who it is and how it was asked. */
async function aPlace(t: TestContext, name: string, isSecure = false): Promise<Address> {
  const listener: RequestListener = ({ url, headers }, answer) => {
    answer.writeHead(200, { 'x-token': token }).end(JSON.stringify({ name, url, headers }))
  }
  const issued = await authority.issue({ names: ['localhost', moduleId] })
  const tls = { cert: issued.certificate, key: issued.privateKey }
  const server = isSecure ? createSecureServer(tls, listener) : createServer(listener)
  if (isSecure)
    server.on('upgrade', ({ url }: IncomingMessage, socket: Socket) => {
      socket.end(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-At: ${name} ${url}\r\n\r\n`
      )
    })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { host: 'localhost', port: (server.address() as AddressInfo).port }
}

async function places(t: TestContext) {
  const plain = ['registry', 'docker', 'storage', 'tokens'].map((name) => aPlace(t, name))
  const [registry, docker, storage, tokens] = await Promise.all(plain)
  const [parent, edgeHub] = await Promise.all([aPlace(t, 'parent', true), aPlace(t, 'edgeHub', true)])
  return { registry: registry!, docker: docker!, storage: storage!, tokens: tokens!, parent, edgeHub }
}

function deployed(where: Deployment, all: Awaited<ReturnType<typeof places>>) {
  const { registry, docker, storage, parent, edgeHub } = all
  if (where === 'top') return { edgeHub }
  if (where === 'no registry') return { parent, edgeHub }
  return { registry, storage, parent, edgeHub, ...(where === 'other registry' && { dockerRegistry: docker }) }
}

function textsOf({ edgeHub, ...others }: ReturnType<typeof deployed>): OriginalPlaces {
  // An address, for nginx has no resolver here.
  const text = ({ port }: Address) => `127.0.0.1:${port}`
  const texts = Object.entries(others).map(([name, address]) => [name, text(address)])
  return { ...Object.fromEntries(texts), edgeHub: text(edgeHub) }
}

async function outcome(port: number, { path, method = 'GET', headers = {}, certificate, shows }: Row): Promise<string> {
  const tls = certificate && { cert: device.certificate, key: device.privateKey }
  const options = { host: 'localhost', port, ca: authority.certificate, agent: false as const, ...tls }
  const asked = request({ ...options, path, method, headers: { host: 'localhost', ...headers } }).end()
  const [answer] = await Promise.race([once(asked, 'response'), once(asked, 'upgrade')])
  if (answer.statusCode === 101) {
    asked.destroy()
    return `${answer.headers['x-at']}, upgraded`
  }
  let body = ''
  for await (const chunk of answer) body += chunk
  if (answer.statusCode !== 200) return String(answer.statusCode)
  const seen = JSON.parse(body)
  return shows === undefined ? `${seen.name} ${seen.url}` : named(shows, seen.headers[shows], seen.name)
}

function named(header: string, value: string | undefined, place: string): string {
  if (value === undefined) return 'nothing'
  if (value === token) return 'the token of the proxy'
  if (value === escaped) return 'the certificate'
  return header === 'host' && /^(?:localhost|127\.0\.0\.1):\d+$/.test(value) ? `the ${place} itself` : value
}

async function outcomes(port: number, rows: readonly Row[]): Promise<readonly string[]> {
  const said: string[] = []
  for (const row of rows) said.push(await outcome(port, row))
  return said
}

/** Each row beside what happened, so that a difference shows which request it is of. */
function told(rows: readonly Row[], results: readonly string[]) {
  return rows.map(({ method = 'GET', path, shows = '' }, i) => `${i} ${method} ${path} ${shows} -> ${results[i]}`)
}

for (const where of ['registry', 'no registry', 'other registry', 'top'] as const) {
  const rows = comparison.filter((row) => row.where === where)

  test(`requests go where the comparison with the original says (${where})`, async (t) => {
    const tls = {
      certificate: await authority.issue({ names: ['localhost'] }),
      versions: { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' } as const,
      asksClients: true
    }
    const standing = { trust: keptValue(authority.trustBundle), token: keptValue(token), gatewayHost: 'localhost' }
    const { port } = await aDoor(t, 1, { tls, standing, places: deployed(where, await places(t)) })

    const expected = rows.map(({ original, ours = original }) => ours)
    assert.deepEqual(told(rows, await outcomes(port, rows)), told(rows, expected))
  })

  test(`the original does what the comparison says of it (${where})`, async (t) => {
    const program = requireTool(t, 'nginx', { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` })
    if (!program) return
    const folder = await mkdtemp(join(tmpdir(), 'original-'))
    t.after(() => rm(folder, { recursive: true }))
    const all = await places(t)
    const [port = 0] = await freePorts(1)
    const certificate = await authority.issue({ names: ['localhost'] })
    const common = { program, folder, port, certificate, moduleId, trust: authority.trustBundle }
    const original = await startOriginal({
      ...common,
      places: textsOf(deployed(where, all)),
      tokenServer: `127.0.0.1:${all.tokens.port}`
    })
    t.after(original.stop)

    assert.deepEqual(
      told(rows, await outcomes(port, rows)),
      told(
        rows,
        rows.map(({ original }) => original)
      )
    )
  })
}
