import type { IncomingMessage } from 'node:http'
import type { RuntimeEnvironment } from './env.ts'

// Not by `import`: that asks the module for all its names, and some of them load Node's own fetch, 10 MiB of it.
const { request } = process.getBuiltinModule('node:http')

export interface ServerCertificate {
  /** PEM: the leaf, then its chain. */
  readonly certificate: string
  /** PEM, PKCS#8. */
  readonly privateKey: string
  readonly expiration: Date
}

/** The security daemon's API for one module. Every call ends within ten seconds; failures are WorkloadErrors. */
export interface Workload {
  /** Good for exactly two names: `commonName` (DNS name or IP address) and the module's id. A new key each time. */
  serverCertificate(commonName: string, signal?: AbortSignal): Promise<ServerCertificate>
  /** PEM: what the device's own certificates are verified against. */
  trustBundle(signal?: AbortSignal): Promise<string>
  /** HMAC-SHA256 with the module's key, which never leaves the daemon. */
  sign(data: Buffer, signal?: AbortSignal): Promise<Buffer>
}

export class WorkloadError extends Error {
  override readonly name = 'WorkloadError'
  readonly call: string
  readonly status?: number

  constructor(call: string, why: string, options: ErrorOptions & { readonly status?: number } = {}) {
    super(`workload API, ${call}: ${why}`, options)
    this.call = call
    if (options.status !== undefined) this.status = options.status
  }
}

export type WorkloadEnvironment = Pick<RuntimeEnvironment, 'workloadUri' | 'moduleId' | 'generationId'>

interface Call {
  readonly name: string
  readonly path: string
  readonly body?: object
}

const answerLimitBytes = 1024 * 1024

// iotedge, edgelet/api: workloadVersion_2018_06_28.yaml and workloadVersion_2020_07_07.yaml
export function createWorkload(environment: WorkloadEnvironment, { timeoutMs = 10_000 } = {}): Workload {
  const { moduleId, generationId } = environment
  const address = addressOf(environment.workloadUri)
  const module = `/modules/${encodeURIComponent(moduleId)}/genid/${encodeURIComponent(generationId)}`
  const call = (call: Call, signal: AbortSignal | undefined) => send(address, call, bounded(signal, timeoutMs))

  return {
    async serverCertificate(commonName, signal) {
      const path = `${module}/certificate/server?api-version=2020-07-07`
      const name = 'certificate/server'
      const answer = await call({ name, path, body: { commonName } }, signal)
      return readServerCertificate(name, answer)
    },
    async trustBundle(signal) {
      const answer = await call({ name: 'trust-bundle', path: '/trust-bundle?api-version=2018-06-28' }, signal)
      return readText('trust-bundle', answer, 'certificate', /-----BEGIN CERTIFICATE-----/)
    },
    async sign(data, signal) {
      const body = { keyId: 'primary', algo: 'HMACSHA256', data: data.toString('base64') }
      const answer = await call({ name: 'sign', path: `${module}/sign?api-version=2018-06-28`, body }, signal)
      return Buffer.from(readText('sign', answer, 'digest', /^[A-Za-z0-9+/]+=*$/), 'base64')
    }
  }
}

function addressOf(workloadUri: string): { socketPath: string } | { host: string; port: string } {
  const uri = new URL(workloadUri)
  if (uri.protocol === 'unix:') return { socketPath: decodeURIComponent(uri.pathname) }
  return { host: uri.hostname, port: uri.port || '80' }
}

function bounded(signal: AbortSignal | undefined, timeoutMs: number): AbortSignal {
  const timeout = AbortSignal.timeout(timeoutMs)
  return signal ? AbortSignal.any([signal, timeout]) : timeout
}

async function send(address: object, { name, path, body }: Call, signal: AbortSignal): Promise<unknown> {
  try {
    const { status, content } = await exchange(address, path, body, signal)
    const answer = parse(content)
    if (status >= 200 && status < 300) return answer
    throw new WorkloadError(name, `answered ${status}${messageIn(answer)}`, { status })
  } catch (cause) {
    if (cause instanceof WorkloadError) throw cause
    throw new WorkloadError(name, 'no answer', { cause: signal.aborted ? signal.reason : cause })
  }
}

function exchange(address: object, path: string, body: object | undefined, signal: AbortSignal) {
  const answered = Promise.withResolvers<{ status: number; content: string }>()
  const content = body && JSON.stringify(body)
  const headers = content && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(content) }
  const options = { ...address, path, method: content ? 'POST' : 'GET', headers: headers || {}, agent: false, signal }
  const outgoing = request(options, (incoming) => {
    const status = incoming.statusCode ?? 0
    readAll(incoming).then((content) => answered.resolve({ status, content }), answered.reject)
  })
  outgoing.once('error', answered.reject)
  outgoing.end(content)
  return answered.promise
}

async function readAll(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > answerLimitBytes) throw new Error(`more than ${answerLimitBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function parse(content: string): unknown {
  try {
    return JSON.parse(content)
  } catch {
    return undefined // What must be in an answer is checked by its reader, who names the call.
  }
}

function messageIn(answer: unknown): string {
  const message = fieldOf(answer, 'message')
  return typeof message === 'string' ? `: ${message.slice(0, 500)}` : ''
}

function fieldOf(answer: unknown, field: string): unknown {
  return typeof answer === 'object' && answer !== null ? Reflect.get(answer, field) : undefined
}

function readText(call: string, answer: unknown, field: string, shape: RegExp): string {
  const value = fieldOf(answer, field)
  if (typeof value === 'string' && shape.test(value)) return value
  throw new WorkloadError(call, `the answer has no usable ${field}`)
}

function readServerCertificate(call: string, answer: unknown): ServerCertificate {
  const expiration = new Date(readText(call, answer, 'expiration', /^\d{4}-\d\d-\d\dT/))
  if (Number.isNaN(expiration.getTime())) throw new WorkloadError(call, 'the answer has no usable expiration')
  return {
    certificate: readText(call, answer, 'certificate', /-----BEGIN CERTIFICATE-----/),
    privateKey: readText(call, fieldOf(answer, 'privateKey'), 'bytes', /-----BEGIN [A-Z ]*PRIVATE KEY-----/),
    expiration
  }
}
