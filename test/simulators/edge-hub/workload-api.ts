import { createHmac } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { chmod, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Credentials } from './admission.ts'
import type { CertificateAuthority } from './certificates.ts'

export type WorkloadCall = 'sign' | 'certificate/server' | 'trust-bundle'

/** Set and cleared while it runs; `only` leaves the other calls alone. */
export interface WorkloadFaults {
  only?: WorkloadCall | undefined
  hang?: boolean | undefined
  status?: number | undefined
  /** Sent as it is, with status 200. */
  body?: string | undefined
}

export interface WorkloadApiOptions {
  readonly socketPath?: string
  readonly port?: number
  readonly modules: Readonly<Record<string, Credentials>>
  readonly certificates: CertificateAuthority
  /** Of server certificates. */
  readonly certificateLifeMs?: number
}

export interface WorkloadRequest {
  readonly call: WorkloadCall | undefined
  readonly url: string
  readonly body: string
}

/** The security daemon's API, for every module of the device at once. */
export interface WorkloadApi {
  start(): Promise<void>
  stop(): Promise<void>
  /** A module's IOTEDGE_WORKLOADURI. */
  readonly uri: string
  readonly faults: WorkloadFaults
  readonly requests: readonly WorkloadRequest[]
  readonly events: EventEmitter<{ request: [WorkloadRequest] }>
}

interface Answer {
  readonly status: number
  readonly body: object
}

export function createWorkloadApi(options: WorkloadApiOptions): WorkloadApi {
  const { socketPath, modules, certificates, certificateLifeMs } = options
  const faults: WorkloadFaults = {}
  const requests: WorkloadRequest[] = []
  const events = new EventEmitter<{ request: [WorkloadRequest] }>().setMaxListeners(0)
  let port = options.port ?? 0
  let server: Server | undefined

  async function answer(incoming: IncomingMessage): Promise<Answer | string | undefined> {
    const url = new URL(incoming.url ?? '/', 'http://workload')
    const [, module, named] = /^\/modules\/([^/]+)\/genid\/[^/]+\/(sign|certificate\/server)$/.exec(url.pathname) ?? []
    const call = url.pathname === '/trust-bundle' ? 'trust-bundle' : (named as WorkloadCall | undefined)
    const request = { call, url: incoming.url ?? '', body: await text(incoming) }
    requests.push(request)
    events.emit('request', request)
    if (faults.only === undefined || faults.only === call) {
      if (faults.hang) return undefined
      if (faults.body !== undefined) return faults.body
      if (faults.status !== undefined) return { status: faults.status, body: { message: 'a fault' } }
    }
    if (!url.searchParams.has('api-version')) return { status: 400, body: { message: 'no api-version' } }
    if (call === 'trust-bundle') return { status: 200, body: { certificate: certificates.trustBundle } }
    if (!call || !module) return { status: 404, body: { message: 'not found' } }
    return answerModule(decodeURIComponent(module), call, JSON.parse(request.body))
  }

  async function answerModule(module: string, call: WorkloadCall, body: Record<string, string>): Promise<Answer> {
    const key = modules[module]?.key
    if (key === undefined) return { status: 404, body: { message: `module not found: ${module}` } }
    if (call === 'certificate/server') return serverCertificate(module, body.commonName ?? '')
    const data = Buffer.from(body.data ?? '', 'base64')
    const digest = createHmac('sha256', Buffer.from(key, 'base64')).update(data).digest('base64')
    return { status: 200, body: { digest } }
  }

  async function serverCertificate(module: string, commonName: string): Promise<Answer> {
    const names = [commonName, module.replace(/^\$/, '')]
    const issued = await certificates.issue({ names, ...(certificateLifeMs && { lifeMs: certificateLifeMs }) })
    const { certificate, privateKey, expiration } = issued
    const body = { privateKey: { type: 'key', bytes: privateKey }, certificate, expiration: expiration.toISOString() }
    return { status: 201, body }
  }

  return {
    faults,
    requests,
    events,
    get uri() {
      return socketPath === undefined ? `http://127.0.0.1:${port}/` : `unix://${socketPath}`
    },
    async start() {
      server = createServer(async (incoming, outgoing) => {
        const answered = await answer(incoming)
        if (answered === undefined) return
        const { status, body } = typeof answered === 'string' ? { status: 200, body: answered } : answered
        outgoing.writeHead(status, { 'content-type': 'application/json' })
        outgoing.end(typeof body === 'string' ? body : JSON.stringify(body))
      })
      if (socketPath !== undefined) await rm(socketPath, { force: true })
      await once(socketPath === undefined ? server.listen(port, '127.0.0.1') : server.listen(socketPath), 'listening')
      if (socketPath === undefined) port = (server.address() as AddressInfo).port
      // Modules have users of their own.
      else await chmod(socketPath, 0o666)
    },
    async stop() {
      const closed = new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)))
      server?.closeAllConnections()
      await closed
    }
  }
}
