import { setTimeout as wait } from 'node:timers/promises'
import { backoffMs } from './backoff.ts'
import { reasonOf } from './deadline.ts'
import { createDesiredDocument } from './desired.ts'
import type { EdgeHubConnection, OutputMessage } from './edge-hub-connection.ts'
import type { EdgeEnvironment } from './env.ts'
import type { Log } from './log.ts'
import type { Methods } from './methods.ts'
import { createReporter } from './reporter.ts'
import { defaultTimings, type Timings } from './timings.ts'
import { readTrustBundle } from './trust-bundle.ts'
import type { Desired, JsonObject, Twin } from './twin.ts'

/** This module as edgeHub knows it: its twin and its direct methods, over connections that are made anew for ever. */
export interface ModuleClient {
  start(): void
  /** Resolves when nothing is connected any more. */
  stop(): Promise<void>
  /** Connected, subscribed, and the twin was read. */
  readonly connected: boolean
  /** Gets the whole desired document, `$version` included: at once if it is known, then whenever it has changed. */
  onDesired(listener: (desired: Desired) => void): void
  /** The whole reported state; the latest wins. What does not fit is cut (fitReported). `urgent` skips the interval. */
  report(reported: JsonObject, options?: { readonly urgent?: boolean }): void
  onConnection(listener: (connected: boolean) => void): void
  /**
   * Sends a message to an output of this module, for the deployment's routes. Resolves when edgeHub has taken it, in the order of the
   * calls; rejects where it has not, or nobody knows, and at once where there is no connection.
   */
  send(output: string, message: OutputMessage): Promise<void>
}

export interface ModuleClientOptions {
  readonly environment: EdgeEnvironment
  readonly methods: Methods
  readonly log: Log
  readonly timings?: Partial<Timings>
  readonly minimumReportIntervalMs?: number
}

export function createModuleClient(options: ModuleClientOptions): ModuleClient {
  const { environment, methods, log, minimumReportIntervalMs = 30_000 } = options
  const timings = { ...defaultTimings, ...options.timings }
  const reporter = createReporter({ minimumIntervalMs: minimumReportIntervalMs, retry: timings.reportRetry, log })
  const desired = createDesiredDocument((document) => tell(desiredListeners, document))
  const desiredListeners: ((desired: Desired) => void)[] = []
  const connectionListeners: ((connected: boolean) => void)[] = []
  const life = new AbortController()
  let running: Promise<void> | undefined
  let delivered: Desired | undefined
  let connected = false
  let current: EdgeHubConnection | undefined

  desiredListeners.push((document) => {
    delivered = document
  })

  function tell<T>(listeners: readonly ((value: T) => void)[], value: T): void {
    for (const listener of listeners)
      try {
        listener(value)
      } catch (error) {
        log.error({ err: error }, 'a listener of the module client failed')
      }
  }

  function setConnected(value: boolean): void {
    if (connected === value) return
    connected = value
    log.info(value ? 'connected to edgeHub' : 'disconnected from edgeHub')
    tell(connectionListeners, value)
  }

  async function run(): Promise<void> {
    for (let attempt = 0; !life.signal.aborted; attempt++) {
      const began = performance.now()
      const reason = await stayConnected().catch((error: unknown) => error)
      if (life.signal.aborted) return
      if (performance.now() - began >= timings.stableMs) attempt = 0
      const delayMs = backoffMs(attempt, timings.reconnect)
      log.warn({ reason: reasonOf(reason), delayMs }, 'no connection to edgeHub, will try again')
      await wait(delayMs, undefined, { signal: life.signal }).catch(() => undefined) // Stopped meanwhile.
    }
  }

  /** One connection from its start to its end, for which it returns the reason. */
  async function stayConnected(): Promise<Error> {
    const connection = await connect()
    try {
      current = connection
      const { reported } = await readTwin(connection)
      reporter.connected(
        { report: connection.report, reported: async () => (await readTwin(connection)).reported },
        reported
      )
      setConnected(true)
      return await connection.closed
    } finally {
      current = undefined
      reporter.disconnected()
      setConnected(false)
      await connection.dispose()
    }
  }

  async function connect(): Promise<EdgeHubConnection> {
    const ca = await readTrustBundle(environment, life.signal)
    // Loaded only here: a module that runs without IoT Edge never pays for the SDK.
    const { connectEdgeHub } = await import('./edge-hub-connection.ts')
    return connectEdgeHub({
      environment,
      ca,
      methods,
      timings,
      log,
      signal: life.signal,
      onDesiredPatch: (patch) => {
        if (!desired.apply(patch)) refresh()
      },
      onRenewed: refresh
    })
  }

  /** Any failure to read the twin ends the connection: the next one begins with a read. */
  async function readTwin(connection: EdgeHubConnection): Promise<Twin> {
    const heldBefore = desired.version
    try {
      const twin = await connection.getTwin()
      if (connection === current) desired.replace(twin.desired, heldBefore)
      return twin
    } catch (error) {
      connection.fail(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
  }

  function refresh(): void {
    if (current) readTwin(current).catch((error) => log.debug({ reason: reasonOf(error) }, 'twin not read'))
  }

  return {
    get connected() {
      return connected
    },
    start() {
      running ??= run()
    },
    async stop() {
      life.abort()
      await running
    },
    onDesired(listener) {
      desiredListeners.push(listener)
      if (delivered) tell([listener], delivered)
    },
    onConnection: (listener) => void connectionListeners.push(listener),
    async send(output, message) {
      if (!current || !connected) throw new Error('no connection to edgeHub')
      await current.send(output, message)
    },
    report: reporter.want
  }
}
