import { randomBytes } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import type { Client } from 'aedes'
import type { EdgeHubEvents, EdgeHubFaults, MethodAnswer } from './edge-hub.ts'
import type { Outputs } from './outputs.ts'
import type { Json, Twins } from './twins.ts'

export const responseFilter = '$iothub/twin/res/#'
export const desiredFilter = '$iothub/twin/PATCH/properties/desired/#'
export const methodsFilter = '$iothub/methods/POST/#'

export interface Subscriber {
  readonly client: Client
  readonly subscriptions: Readonly<Record<string, unknown>>
}

export interface RequestOptions {
  readonly twins: Twins
  readonly outputs: Outputs
  readonly faults: EdgeHubFaults
  readonly events: EventEmitter<EdgeHubEvents>
  readonly log: (message: string) => void
  readonly moduleOf: (client: Client) => string
}

interface Packet {
  readonly topic: string
  readonly payload: string | Buffer
}

interface Subscription {
  readonly topic: string
  readonly qos: 0 | 1 | 2
}

/** What modules publish to the hub, and its answers. Topics belong to one connection: nothing is routed between modules. */
export function createRequests({ twins, outputs, faults, events, log, moduleOf }: RequestOptions) {
  const calls = new Map<string, (answer: MethodAnswer) => void>()

  function authorizePublish(client: Client | null, packet: Packet, done: (error?: Error | null) => void): void {
    if (client && packet.topic.startsWith('devices/')) {
      const outcome = outputs.take(moduleOf(client), packet)
      if (outcome === 'taken') done(null)
      else if (outcome !== 'unanswered') refuse(packet, done, outcome)
      return
    }
    if (client && accept(client, packet)) done(null)
    else refuse(packet, done, 'not a topic of a module')
  }

  function refuse({ topic }: Packet, done: (error: Error) => void, reason: string): void {
    log(`refused a message to ${topic}: ${reason}`)
    done(new Error(reason))
  }

  function accept(client: Client, { topic, payload }: Packet): boolean {
    const body = payload.toString()
    const query = new URLSearchParams(topic.slice(topic.indexOf('?') + 1))
    const id = query.get('$rid') ?? ''
    if (topic.startsWith('$iothub/twin/GET/')) void answerGet(client, id).catch(silent)
    else if (topic.startsWith('$iothub/twin/PATCH/properties/reported/'))
      void answerPatch(client, id, body).catch(silent)
    else if (topic.startsWith('$iothub/methods/res/')) settle(topic, id, body)
    else return false
    return true
  }

  async function answerGet(client: Client, id: string): Promise<void> {
    const module = moduleOf(client)
    events.emit('request', module, 'twinGet')
    if (faults.twinGet === 'drop') return
    const failed = faults.twinGet !== undefined
    await answer(client, id, faults.twinGet ?? 200, failed ? '' : JSON.stringify(twins.get(module)))
  }

  async function answerPatch(client: Client, id: string, body: string): Promise<void> {
    const module = moduleOf(client)
    events.emit('request', module, 'reported')
    if (faults.reported === 'drop') return
    if (typeof faults.reported === 'number') return answer(client, id, faults.reported, '')
    const outcome = twins.patchReported(module, JSON.parse(body))
    if ('refused' in outcome) log(`reported properties of ${module} refused: ${outcome.refused}`)
    else events.emit('reported', module)
    if (faults.reported === 'loseAnswer') return
    if ('refused' in outcome) await answer(client, id, 400, '')
    else await answer(client, `${id}&$version=${outcome.version}`, 204, '')
  }

  /** A module that has lost its subscription hears nothing. */
  async function answer(client: Client, id: string, status: number, body: string): Promise<void> {
    const subscriptions: Readonly<Record<string, unknown>> = Reflect.get(client, 'subscriptions')
    if (subscriptions[responseFilter]) await send(client, `$iothub/twin/res/${status}/?$rid=${id}`, body)
  }

  function send(client: Client, topic: string, payload: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const packet = { cmd: 'publish' as const, topic, payload, qos: 0 as const, dup: false, retain: false }
      client.publish(packet, (error) => (error ? reject(error) : resolve()))
    })
  }

  function settle(topic: string, id: string, body: string): void {
    const status = Number(topic.split('/')[3])
    calls.get(id)?.({ status, payload: body === '' ? null : (JSON.parse(body) as Json) })
  }

  async function invoke(client: Client, method: string, payload: Json, timeoutMs: number): Promise<MethodAnswer> {
    const id = randomBytes(4).toString('hex')
    const answered = Promise.withResolvers<MethodAnswer>()
    const timer = setTimeout(() => answered.resolve({ status: 504 }), timeoutMs)
    calls.set(id, answered.resolve)
    await send(client, `$iothub/methods/POST/${method}/?$rid=${id}`, JSON.stringify(payload))
    return answered.promise.finally(() => {
      clearTimeout(timer)
      calls.delete(id)
    })
  }

  function authorizeSubscribe(
    client: Client,
    subscription: Subscription,
    done: (error: Error | null, subscription?: Subscription) => void
  ): void {
    if (faults.cutOnSubscribe === subscription.topic) client.conn.destroy()
    else done(null, subscription)
  }

  return { authorizePublish, authorizeSubscribe, send, invoke }
}

/** The module has gone before its answer. */
function silent(): void {}
