import { createRequire } from 'node:module'
import device from 'azure-iot-device'
import { Mqtt } from 'azure-iot-device-mqtt'
import { MqttBase, type MqttBaseTransportConfig } from 'azure-iot-mqtt-base'
import { Authentication } from './authentication.ts'
import { reasonOf, within } from './deadline.ts'
import type { EdgeEnvironment } from './env.ts'
import type { Log } from './log.ts'
import { answerMethod, type Methods } from './methods.ts'
import type { Timings } from './timings.ts'
import { isObject, type JsonObject, type Twin } from './twin.ts'

/** One connection, from CONNECT to its end; never repaired, so that no subscription of it can be lost unnoticed. */
export interface EdgeHubConnection {
  /** Rejects on an answer of 300 or more, without an answer in time, and when the connection ends. */
  getTwin(): Promise<Twin>
  /** Sends a merge patch of reported properties; rejects as getTwin does. */
  report(patch: JsonObject): Promise<void>
  /**
   * Sends a message to an output of this module, for the deployment's routes. Rejects where edgeHub did not take it or nobody knows;
   * then the connection is over, as edgeHub answers each message that it can keep.
   */
  send(output: string, message: OutputMessage): Promise<void>
  /** Resolves with the reason once the connection is over. */
  readonly closed: Promise<Error>
  /** Declares it over. */
  fail(reason: Error): void
  /** No socket of it is left when this resolves; it never rejects. */
  dispose(): Promise<void>
}

/** What goes to an output: JSON, which routes of IoT Hub may look into. */
export interface OutputMessage {
  /** The same where it is sent again. */
  readonly id: string
  readonly body: string
}

export interface ConnectionOptions {
  readonly environment: EdgeEnvironment
  /** PEM that the hub's certificate is verified against. */
  readonly ca: string
  readonly methods: Methods
  readonly timings: Timings
  readonly log: Log
  /** A merge patch of desired properties with its `$version`. */
  readonly onDesiredPatch: (patch: JsonObject) => void
  /** The line was down for a moment, to present a new token: what came meanwhile is lost. */
  readonly onRenewed: () => void
  /** Ends the connection, at whatever stage it is. */
  readonly signal: AbortSignal
}

type Done<T = unknown> = (error?: Error, value?: T) => void

// The very MQTT client that the SDK would take itself, to have a hand on its socket.
const mqtt: { connect(uri: string, options: object): MqttSocket } = createRequire(
  import.meta.resolve('azure-iot-mqtt-base')
)('mqtt')

interface MqttSocket {
  readonly stream: { destroy(): void }
}

/** The SDK's lowest layer, with its gaps closed: who may connect, for how long, and what a failed twin request says. */
class EdgeHubWire extends MqttBase {
  readonly #line: { over: boolean; socket?: MqttSocket }
  readonly #onRenewed: () => void

  constructor(connectTimeout: number, onRenewed: () => void) {
    const line: { over: boolean; socket?: MqttSocket } = { over: false }
    super({
      connect(uri: string, options: object): MqttSocket {
        line.socket = mqtt.connect(uri, { ...options, connectTimeout })
        // A renewal under way connects again, whatever has become of the line meanwhile.
        if (line.over) line.socket.stream.destroy()
        return line.socket
      }
    })
    this.#line = line
    this.#onRenewed = onRenewed
  }

  /** Credentials that arrive after the end must not open a second connection beside its successor. */
  override connect(config: MqttBaseTransportConfig, done: Done): void {
    if (this.#line.over) done(new Error('the connection was given up'))
    else super.connect(config, done)
  }

  override updateSharedAccessSignature(signature: string, done: (error?: Error) => void): void {
    super.updateSharedAccessSignature(signature, (error) => {
      done(error)
      if (!error) this.#onRenewed()
    })
  }

  override emit(event: string | symbol, ...values: unknown[]): boolean {
    if (event !== 'message') return super.emit(event, ...values)
    const [topic, payload] = values as [string, Buffer]
    try {
      return super.emit('message', topic, withStatus(topic, payload))
    } catch (cause) {
      // The SDK parses inside this event: thrown on, a message it does not understand would end the process.
      return super.emit('error', new Error('a message from the hub was not understood', { cause }))
    }
  }

  destroy(): void {
    this.#line.over = true
    this.#line.socket?.stream.destroy()
  }
}

/** edgeHub says that a twin request failed by a status in the topic and no body; the SDK looks for one in the body only. */
function withStatus(topic: string, payload: Buffer): Buffer {
  const [, status] = /^\$iothub\/twin\/res\/(\d+)\//.exec(topic) ?? []
  if (status === undefined || Number(status) < 300) return payload
  return Buffer.from(JSON.stringify({ errorCode: Number(status), message: `edgeHub answered ${status}` }))
}

/** Resolves when connected and subscribed. Rejects otherwise, and nothing is left open. */
export async function connectEdgeHub(options: ConnectionOptions): Promise<EdgeHubConnection> {
  const { timings } = options
  const wire = new EdgeHubWire(timings.connectMs, options.onRenewed)
  const authentication = new Authentication(options)
  const transport = new Mqtt(authentication, wire)
  const end = createEnd(options.signal)
  transport.on('disconnect', (error?: Error) => end.come(error ?? new Error('disconnected')))
  transport.on('error', end.come)
  transport.on('twinDesiredPropertiesUpdate', options.onDesiredPatch)
  transport.setOptions({ ca: options.ca, keepalive: timings.keepAliveSeconds })

  const call = <T>(what: string, limitMs: number, start: (done: Done<T>) => void) =>
    within(limitMs, what, settled(start), end.signal)
  const connection: EdgeHubConnection = {
    closed: end.reason,
    fail: end.come,
    getTwin: async () => readTwin(await call('get twin', timings.requestMs, (done) => transport.getTwin(done))),
    async report(patch) {
      await call('report', timings.requestMs, (done) => transport.updateTwinReportedProperties(patch, done))
    },
    async send(output, message) {
      // The SDK would connect again for it.
      end.signal.throwIfAborted()
      const sent = call('message', timings.requestMs, (done) =>
        transport.sendOutputEvent(output, deviceMessage(message), done)
      )
      await sent.catch((error) => {
        end.come(error)
        throw error
      })
    },
    async dispose() {
      end.come(new Error('disposed'))
      // Asked to disconnect while its line breaks, the SDK waits for a close that is over: only a sound line is asked.
      if (options.signal.aborted) {
        const disconnected = settled((done) => transport.disconnect(done))
        await within(timings.closeMs, 'disconnect', disconnected).catch(() => undefined) // The socket goes anyhow.
      }
      authentication.stop()
      wire.destroy()
    }
  }

  try {
    await call('connect', timings.connectMs, (done) => transport.connect(done))
    await call('desired properties', timings.requestMs, (done) => transport.enableTwinDesiredPropertiesUpdates(done))
    serveMethods(transport, options, end.signal)
    await call('direct methods', timings.requestMs, (done) => transport.enableMethods(done))
    return connection
  } catch (error) {
    await connection.dispose()
    throw error
  }
}

/** The end of a connection comes once, with its reason, and at the latest when `stop` is aborted. */
function createEnd(stop: AbortSignal) {
  const ended = new AbortController()
  const { promise, resolve } = Promise.withResolvers<Error>()
  const stopped = () => come(new Error('stopped'))
  function come(reason: Error): void {
    stop.removeEventListener('abort', stopped)
    ended.abort(reason)
    resolve(reason)
  }
  stop.addEventListener('abort', stopped)
  if (stop.aborted) stopped()
  return { come, reason: promise, signal: ended.signal }
}

function settled<T>(start: (done: Done<T>) => void): Promise<T | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<T | undefined>()
  start((error, value) => (error ? reject(error) : resolve(value)))
  return promise
}

/** A name that is not registered gets no answer, as with the SDK's own client: the hub tells the caller. */
function serveMethods(transport: Mqtt, { methods, timings, log }: ConnectionOptions, signal: AbortSignal): void {
  const options = { timeoutMs: timings.methodMs, log, signal }
  for (const name of Object.keys(methods))
    transport.onDeviceMethod(name, async ({ requestId, body }) => {
      const { status, payload } = await answerMethod(methods, name, body, options)
      if (signal.aborted) return
      const response = new device.DeviceMethodResponse(requestId, transport)
      response
        .send(status, payload)
        .catch((error) => log.warn({ method: name, reason: reasonOf(error) }, 'answer of a direct method was not sent'))
    })
}

function deviceMessage({ id, body }: OutputMessage): device.Message {
  const message = new device.Message(body)
  message.messageId = id
  // Without both, IoT Hub takes the body for bytes that no query can look into.
  message.contentType = 'application/json'
  message.contentEncoding = 'utf-8'
  return message
}

function readTwin(answer: unknown): Twin {
  if (!isObject(answer) || !isObject(answer.desired) || !isObject(answer.reported))
    throw new Error('the twin has no desired and reported properties')
  if (typeof answer.desired.$version !== 'number') throw new Error('the desired properties have no $version')
  return { desired: answer.desired as Twin['desired'], reported: answer.reported as Twin['reported'] }
}
