import type { EventEmitter } from 'node:events'
import type { EdgeHubEvents, EdgeHubFaults } from './edge-hub.ts'

/** A message of a module as routes see it. */
export interface OutputMessage {
  readonly module: string
  /** Undefined: sent to no output. */
  readonly output: string | undefined
  /** `$.ct` and the like, by IoT Hub's names. */
  readonly contentType: string | undefined
  readonly contentEncoding: string | undefined
  readonly messageId: string | undefined
  readonly body: string
}

/** What modules send by `devices/<device>/modules/<module>/messages/events/<properties>/`. */
export interface Outputs {
  readonly messages: readonly OutputMessage[]
  /** Else why it is refused; edgeHub closes the connection then. */
  take(module: string, packet: Packet): 'taken' | 'unanswered' | (string & {})
}

export interface Packet {
  readonly topic: string
  readonly payload: string | Buffer
}

export interface OutputsOptions {
  readonly deviceId: string
  readonly faults: EdgeHubFaults
  readonly events: EventEmitter<EdgeHubEvents>
}

// IoT Hub, "Quotas and throttling": a device-to-cloud message with its properties.
const sizeLimit = 256 * 1024

export function createOutputs({ deviceId, faults, events }: OutputsOptions): Outputs {
  const messages: OutputMessage[] = []
  return {
    messages,
    take(module, { topic, payload }) {
      const prefix = `devices/${deviceId}/modules/${module}/messages/events/`
      if (!topic.startsWith(prefix)) return 'another module is spoken for'
      const text = topic.slice(prefix.length)
      if (text.includes('/') && text.indexOf('/') < text.length - 1) return 'properties with a slash in them'
      if (Buffer.byteLength(payload) + text.length > sizeLimit) return 'a message that is too large'
      const message = read(module, text.replace(/\/$/, ''), payload.toString())
      messages.push(message)
      events.emit('message', message)
      return faults.messages === 'loseAnswer' ? 'unanswered' : 'taken'
    }
  }
}

function read(module: string, text: string, body: string): OutputMessage {
  const pairs = text.split('&').map((pair) => pair.split('=', 2).map(decodeURIComponent) as [string, string])
  const properties = new Map(pairs)
  return {
    module,
    output: properties.get('$.on'),
    contentType: properties.get('$.ct'),
    contentEncoding: properties.get('$.ce'),
    messageId: properties.get('$.mid'),
    body
  }
}
