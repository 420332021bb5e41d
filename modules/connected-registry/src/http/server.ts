import type { IncomingMessage, ServerOptions, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Log } from '@connected-registry/edge-module/log.ts'
import Koa, { type Context, type Middleware } from 'koa'
import { RegistryError } from '../protocol/errors.ts'
import { type CertificateDemand, checkClientCertificate } from './client-certificates.ts'
import { answerFailures, pathOf } from './errors.ts'
import { externalUrl } from './external-url.ts'
import { unrouted } from './guard.ts'
import { isHealthPath } from './health.ts'
import { createKnownPaths } from './known-paths.ts'
import { hasBody } from './request-body.ts'
import { createRequestCounts, type RequestCounts } from './request-counts.ts'
import { createRouter, type RouteOptions } from './routes.ts'
import { type Refuses, refuseNew } from './stopping.ts'
import { inTurn } from './turn.ts'

export interface HttpOptions extends RouteOptions {
  /** `host` or `host:port`: requests that are addressed to another one are refused. Left out: any will do. */
  readonly loginServer?: string
  /** Left out: it never stops. */
  readonly refuses?: Refuses
  /** Left out, or undefined: clients are not asked for certificates. */
  readonly clientCertificates?: ((socket: Socket) => CertificateDemand | undefined) | undefined
  /** Left out: nobody asks how many there were. */
  readonly requests?: RequestCounts
  readonly log: Log
}

/**
 * For `http.createServer`: a head has twenty seconds and 32 KiB (an access token for many repositories is long); a body has
 * no time-out in total, since links are slow, and each answer that carries content watches for standstill itself.
 */
export const serverOptions = {
  headersTimeout: 20_000,
  requestTimeout: 0,
  keepAliveTimeout: 65_000,
  maxHeaderSize: 32 * 1024,
  requireHostHeader: true,
  noDelay: true
} as const satisfies ServerOptions

/** The registry's HTTP interface, as a request listener of `node:http` or `node:https`. */
export function createHttpHandler(options: HttpOptions): (req: IncomingMessage, res: ServerResponse) => void {
  const { log, loginServer, refuses, clientCertificates, requests = createRequestCounts() } = options
  const app = new Koa()
  const knownPaths = createKnownPaths()
  app.use(inTurn())
  app.use(answerFailures(log, requests))
  app.use(checkRequest)
  if (refuses) app.use(refuseNew(refuses))
  if (clientCertificates) app.use(checkClientCertificate(clientCertificates))
  if (loginServer) app.use(checkHost(loginServer))
  app.use(knownPaths.recall)
  app.use(createRouter(options, knownPaths, requests).routes())
  app.use(unrouted(options))
  app.on('error', (error: unknown, ctx?: Context) => logConnection(log, error, ctx))
  const handle = app.callback()
  return (req, res) => {
    if (log.level === 'debug') res.once('close', () => logRequest(log, req, res))
    void handle(req, res)
  }
}

// Only an absolute path in plain characters is a path here (RFC 9112, section 3.2.1): what else `url.parse` would make of
// it never matters. No handler reads a body, so that what follows one on its connection is not looked at either.
const originForm: RegExp = /^\/[!-"$-~]*$/
const checkRequest: Middleware = (ctx, next) => {
  if (hasBody(ctx.req)) ctx.res.shouldKeepAlive = false
  if (!originForm.test(ctx.req.url ?? '')) throw new RegistryError('NAME_INVALID', undefined, 'invalid request target')
  if (hasTwoHosts(ctx.req)) throw new RegistryError('NAME_INVALID', undefined, 'more than one Host')
  return next()
}

// RFC 9112, section 3.2: 400. Whoever is in between may have gone by the other one.
function hasTwoHosts({ rawHeaders }: IncomingMessage): boolean {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]
    if (name?.length === 4 && name.toLowerCase() === 'host') count += 1
  }
  return count > 1
}

function checkHost(loginServer: string): Middleware {
  const wanted = withoutDefaultPort(loginServer)
  return (ctx, next) => {
    const { host } = externalUrl(ctx.req)
    if (withoutDefaultPort(host) === wanted || isHealthPath(ctx.path)) return next()
    throw new RegistryError('DENIED', { host }, `This registry answers as ${loginServer} only.`)
  }
}

function withoutDefaultPort(host: string): string {
  return host.toLowerCase().replace(/:(?:80|443)$/, '')
}

function logRequest(log: Log, req: IncomingMessage, res: ServerResponse): void {
  log.debug({ method: req.method, path: pathOf(req.url), status: res.statusCode }, 'request answered')
}

// koa reports here what happened to a connection, mostly that a client left, and any failure of our own answers.
function logConnection(log: Log, error: unknown, ctx?: Context): void {
  const level = ctx?.req.socket.destroyed ? 'debug' : 'error'
  log[level]({ err: error }, 'connection failed')
}
