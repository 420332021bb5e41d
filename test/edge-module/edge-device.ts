import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type EdgeEnvironment, readEdgeEnvironment } from '@connected-registry/edge-module/env.ts'
import { createLog, type Log } from '@connected-registry/edge-module/log.ts'
import {
  createModuleClient,
  type ModuleClient,
  type ModuleClientOptions
} from '@connected-registry/edge-module/module-client.ts'
import type { Desired } from '@connected-registry/edge-module/twin.ts'
import { createCertificateAuthority } from '../simulators/edge-hub/certificates.ts'
import { createEdgeHub, type EdgeHub } from '../simulators/edge-hub/edge-hub.ts'
import { moduleEnvironment } from '../simulators/edge-hub/module-environment.ts'
import { createWorkloadApi, type WorkloadApi } from '../simulators/edge-hub/workload-api.ts'

export const moduleId = 'gateway'
export const deviceId = 'edge-01'
export const iotHubHost = 'hub.azure-devices.example'

/** Short delays, so that a test waits for an event and not for a clock. */
export const shortTimings = {
  connectMs: 5_000,
  requestMs: 300,
  closeMs: 200,
  reconnect: { minimumMs: 10, maximumMs: 40 },
  reportRetry: { minimumMs: 10, maximumMs: 40 },
  signRetryMs: 30
}

/** One device with its hub and workload API, both running, and what it takes to be a module on it. */
export interface EdgeDevice {
  readonly hub: EdgeHub
  readonly workload: WorkloadApi
  /** The module's, Base64. */
  readonly key: string
  readonly signal: AbortSignal
  /** A started client that is stopped with the test. */
  client(options?: Partial<ModuleClientOptions>): ModuleClient
  environment(gatewayHost?: string): EdgeEnvironment
  variables(form: 'runtime' | 'connectionString', gatewayHost?: string): Record<string, string>
  readonly log: RecordedLog
}

export async function anEdgeDevice(t: TestContext): Promise<EdgeDevice> {
  const folder = await mkdtemp(join(tmpdir(), 'edge-device-'))
  t.after(() => rm(folder, { recursive: true }))
  const key = randomBytes(32).toString('base64')
  const modules = { [moduleId]: { key } }
  const certificates = await createCertificateAuthority()
  const caFile = join(folder, 'ca.pem')
  await writeFile(caFile, certificates.certificate)
  const hub = createEdgeHub({ iotHubHost, deviceId, modules, certificates })
  const workload = createWorkloadApi({ socketPath: join(folder, 'workload.sock'), modules, certificates })
  await Promise.all([hub.start(), workload.start()])
  t.after(() => Promise.all([hub.stop(), workload.stop()]))
  const log = recordedLog()

  const common = { module: moduleId, key, deviceId, iotHubHost }
  const variables = (form: string, gatewayHost = hub.gatewayHost) =>
    moduleEnvironment({ ...common, gatewayHost, ...(form === 'runtime' ? { workloadUri: workload.uri } : { caFile }) })
  const environment = (gatewayHost?: string) => readEdgeEnvironment(variables('runtime', gatewayHost))!

  return {
    hub,
    workload,
    key,
    signal: AbortSignal.any([t.signal, AbortSignal.timeout(60_000)]),
    variables,
    environment,
    log,
    client({ timings, ...options } = {}) {
      const client = createModuleClient({
        environment: environment(),
        methods: { echo: async (payload) => ({ status: 200, payload: { echo: String(payload) } }) },
        log: log.log,
        minimumReportIntervalMs: 0,
        ...options,
        timings: { ...shortTimings, ...timings }
      })
      t.after(() => client.stop())
      client.start()
      return client
    }
  }
}

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string }

/** A log that remembers its lines. */
export interface RecordedLog {
  readonly log: Log
  readonly lines: readonly LogLine[]
  /** The next line (from now on) that matches. */
  next(matches: (line: LogLine) => boolean, signal: AbortSignal): Promise<LogLine>
}

export function recordedLog(): RecordedLog {
  const lines: LogLine[] = []
  const events = new EventEmitter<{ line: [LogLine] }>().setMaxListeners(0)
  const write = (text: string) => {
    const line = JSON.parse(text) as LogLine
    lines.push(line)
    events.emit('line', line)
  }
  return {
    lines,
    log: createLog({ module: moduleId, level: 'Debug', destination: { write } }),
    async next(matches, signal) {
      for (;;) {
        const [line] = (await once(events, 'line', { signal })) as [LogLine]
        if (matches(line)) return line
      }
    }
  }
}

/** What a listener was told, and a way to wait for it. */
export interface Told<T> {
  readonly values: readonly T[]
  readonly listener: (value: T) => void
  /** The first value, past or coming, that matches. */
  first(matches: (value: T) => boolean, signal: AbortSignal): Promise<T>
}

export function told<T>(): Told<T> {
  const values: T[] = []
  const events = new EventEmitter().setMaxListeners(0)
  return {
    values,
    listener(value) {
      values.push(value)
      events.emit('told')
    },
    async first(matches, signal) {
      for (;;) {
        const found = values.find(matches)
        if (found !== undefined) return found
        await once(events, 'told', { signal })
      }
    }
  }
}

export function desiredOf(client: ModuleClient): Told<Desired> {
  const desired = told<Desired>()
  client.onDesired(desired.listener)
  return desired
}

export function connectionOf(client: ModuleClient): Told<boolean> {
  const connection = told<boolean>()
  client.onConnection(connection.listener)
  return connection
}
