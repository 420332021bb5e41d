import { EventEmitter, once } from 'node:events'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { EdgeEnvironment } from '@connected-registry/edge-module/env.ts'
import { createLog } from '@connected-registry/edge-module/log.ts'
import { hashPassword } from '../../modules/connected-registry/src/access/passwords.ts'
import { type AppDelays, type AppOptions, startApp } from '../../modules/connected-registry/src/app.ts'
import { basicAuthorization } from '../fixtures/push-image.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'

export const client = { name: 'line-1', password: 'client=Pa55-word/planted' }
// One hash for all tests of a process: it costs on purpose.
const clientHash = hashPassword(client.password, 12)

/** A client token as settings hold it, which may read everything unless `actions` say otherwise. */
export async function clientToken(more: Readonly<Record<string, unknown>> = {}) {
  const actions = ['repositories/*/content/read', 'repositories/*/metadata/read']
  return { name: client.name, passwords: [{ hash: await clientHash }], actions, ...more }
}

export interface RunningApp {
  readonly port: number
  readonly dataVolume: string
  /** Everything it logged, as it was written. */
  readonly lines: readonly LogLine[]
  /** The first line from the given one on, past or to come, that fits. */
  line(fits: (line: LogLine) => boolean, from?: number): Promise<LogLine>
  get(path: string, authorization?: string): Promise<Answer>
  status(): Promise<Status>
  stop(): Promise<void>
}

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string; readonly text: string }

export interface Answer {
  readonly status: number
  readonly text: string
  readonly headers: Headers
}

/** The parts of the state that tests look at. */
export interface Status {
  readonly instanceId?: string
  readonly connectionState: string
  readonly mode: string
  readonly parent?: { readonly loginServer: string }
  readonly settings: {
    readonly version?: number
    readonly refusedVersion?: number
    readonly problems: readonly string[]
    readonly logLevel: string
  }
  readonly sync: { readonly last?: { readonly correlationId: string; readonly result: string } }
  readonly storage?: { readonly repositories: number; readonly manifests: number; readonly bytes: number }
  readonly repositories: readonly { readonly name: string }[]
  readonly statusDetails: readonly { readonly type: string; readonly code: string; readonly description: string }[]
}

export interface RunningAppOptions {
  /** As the environment would give them; with the client token where they name none. */
  readonly settings?: Readonly<Record<string, unknown>>
  readonly settingsFile?: string
  readonly dataVolume?: string
  readonly edge?: EdgeEnvironment
  readonly delays?: Partial<AppDelays>
  readonly port?: number
  readonly certificateVolume?: string
  readonly certificateSource?: 'volume' | 'workload'
  readonly clientCertificates?: 'required' | 'optional'
  readonly gatewayPauses?: AppOptions['gatewayPauses']
}

const authorization = basicAuthorization(client.name, client.password)
const quick: AppDelays = { reportMs: 0, reopenMs: 20, lookMs: 10, bundleMs: 60_000, drainMs: 100, betweenMs: 0 }
// A failure is told at the first attempt, and a host that failed is asked again.
const dispatcher = { retry: { retries: 0 }, breaker: { failures: 10_000 }, timeouts: { connectMs: 2_000 } }

/** The whole module but for its process: on a port of its own, with short delays, stopped with the test. */
export async function runApp(t: TestContext, options: RunningAppOptions = {}): Promise<RunningApp> {
  const { settings, settingsFile, edge, delays, gatewayPauses, port = 0 } = options
  const dataVolume = options.dataVolume ?? (await temporaryFolder())
  const log = recordedLog(t)
  const config = {
    dataVolume,
    host: '127.0.0.1',
    port,
    settingsFile,
    certificateVolume: options.certificateVolume ?? join(dataVolume, 'certs'),
    certificateSource: options.certificateSource ?? 'volume',
    clientCertificates: options.clientCertificates ?? 'required',
    settings: { clientTokens: [await clientToken()], ...settings },
    environment: {}
  }
  const app = await startApp({ config, edge, log: log.log, delays: { ...quick, ...delays }, dispatcher, gatewayPauses })
  let stopped: Promise<void> | undefined
  const stop = () => (stopped ??= app.stop())
  t.after(stop)

  async function get(path: string, credentials = authorization): Promise<Answer> {
    const url = `http://127.0.0.1:${app.port}${path}`
    const answer = await fetch(url, { headers: { authorization: credentials }, signal: t.signal })
    return { status: answer.status, text: await answer.text(), headers: answer.headers }
  }

  return {
    port: app.port,
    dataVolume,
    lines: log.lines,
    line: log.line,
    get,
    async status() {
      const { status, text } = await get('/status')
      if (status !== 200) throw new Error(`GET /status answered ${status}: ${text}`)
      return JSON.parse(text) as Status
    },
    stop
  }
}

function recordedLog(t: TestContext) {
  const lines: LogLine[] = []
  const events = new EventEmitter().setMaxListeners(0)
  const write = (text: string) => {
    lines.push({ ...JSON.parse(text), text })
    events.emit('line')
  }
  return {
    lines,
    log: createLog({ module: 'connected-registry', destination: { write } }),
    async line(fits: (line: LogLine) => boolean, from = 0): Promise<LogLine> {
      for (;;) {
        const found = lines.slice(from).find(fits)
        if (found) return found
        await once(events, 'line', { signal: t.signal })
      }
    }
  }
}
