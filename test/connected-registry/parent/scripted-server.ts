import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline, Readable } from 'node:stream'
import type { TestContext } from 'node:test'

/** A server that answers what a test tells it to, and remembers what it was asked. */
export interface ScriptedServer {
  readonly url: string
  /** `host:port`, with `host` as the server was told to call itself. */
  readonly host: string
  readonly port: number
  readonly asked: readonly AskedRequest[]
}

export interface AskedRequest {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly headers: IncomingMessage['headers']
}

export type Script = (request: IncomingMessage, response: ServerResponse) => void

export interface Certificate {
  readonly key: Buffer
  readonly cert: Buffer
}

export interface ScriptedServerOptions {
  /** What clients call it; it listens on loopback alone. */
  readonly name?: string
  readonly certificate?: Certificate
}

export async function scriptedServer(
  t: TestContext,
  script: Script,
  { name = '127.0.0.1', certificate }: ScriptedServerOptions = {}
): Promise<ScriptedServer> {
  const asked: AskedRequest[] = []
  const handle: Script = (request, response) => {
    asked.push({ method: request.method ?? '', target: request.url ?? '', headers: request.headers })
    script(request, response)
  }
  const server = certificate ? createSecureServer({ ...certificate }, handle) : createServer(handle)
  server.listen(0, '127.0.0.1')
  t.after(async () => {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const host = `${name}:${port}`
  return { url: `${certificate ? 'https' : 'http'}://${host}`, host, port, asked }
}

/** By path without its query; anything else is a plain 404, as a registry answers to what it does not know. */
export function byPath(scripts: Readonly<Record<string, Script>>): Script {
  return (request, response) => {
    const path = (request.url ?? '').split('?', 1)[0] ?? ''
    const script = scripts[path]
    if (script) script(request, response)
    else response.writeHead(404, { 'content-type': 'text/plain' }).end('404 page not found\n')
  }
}

export function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Script {
  return (_, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
  }
}

/** One script after the other, the last one again and again. */
export function inTurn(...scripts: readonly Script[]): Script {
  let next = 0
  return (request, response) => scripts[Math.min(next++, scripts.length - 1)]?.(request, response)
}

/** A body that never ends by itself. */
export function endless(chunk: Uint8Array, headers: Readonly<Record<string, string>> = {}, status = 200): Script {
  function* forever() {
    for (;;) yield chunk
  }
  return (_, response) => {
    response.writeHead(status, headers)
    // The client's leaving ends it, as an error that is expected.
    pipeline(Readable.from(forever()), response, () => {})
  }
}

/** An error answer of a registry (distribution-spec, "Error Codes"). */
export function failing(status: number, code: string, headers: Readonly<Record<string, string>> = {}): Script {
  return json(status, { errors: [{ code, message: 'the parent says no' }] }, headers)
}

/** For `localhost` and 127.0.0.1, by the openssl of this machine. */
export async function selfSigned(t: TestContext): Promise<Certificate> {
  const folder = await mkdtemp(join(tmpdir(), 'parent-certificate-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const what = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1']
  const whom = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  execFileSync('openssl', [...what, ...whom, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  return { key: await readFile(key), cert: await readFile(cert) }
}
