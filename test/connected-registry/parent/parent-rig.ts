import type { TestContext } from 'node:test'
import type { Clock } from '../../../modules/connected-registry/src/parent/clock.ts'
import {
  createDispatcher,
  type Dispatcher,
  type DispatcherOptions
} from '../../../modules/connected-registry/src/parent/dispatcher.ts'
import {
  createParentRegistry,
  type ParentRegistry
} from '../../../modules/connected-registry/src/parent/parent-registry.ts'
import {
  type ParentConnection,
  parseConnectionString
} from '../../../modules/connected-registry/src/protocol/connection-string.ts'
import { createLog } from '../../../modules/edge-module/src/log.ts'

export const tokenName = 'site-sync'
export const password = 'planted-secret='
export const basic = `Basic ${Buffer.from(`${tokenName}:${password}`).toString('base64')}`

/** Time that passes only by being slept or advanced. */
export interface ManualClock extends Clock {
  readonly slept: readonly number[]
  advance(milliseconds: number): void
}

export function manualClock(): ManualClock {
  let now = 0
  const slept: number[] = []
  return {
    slept,
    now: () => now,
    advance(milliseconds) {
      now += milliseconds
    },
    async sleep(milliseconds, signal) {
      signal.throwIfAborted()
      slept.push(milliseconds)
      now += milliseconds
    }
  }
}

/** To a server at `host`, or with `gateway` as the endpoint and `host` as the login server. */
export function connectionTo(host: string, protocol: 'http' | 'https' = 'http', gateway = host): ParentConnection {
  const parts = {
    ConnectedRegistryName: 'site-one',
    SyncTokenName: tokenName,
    SyncTokenPassword: password,
    ParentGatewayEndpoint: gateway,
    ParentEndpointProtocol: protocol,
    ParentLoginServer: host
  }
  const text = Object.entries(parts).map(([key, value]) => `${key}=${value}`)
  return parseConnectionString(text.join(';'), {})
}

export interface ParentRig {
  readonly parent: ParentRegistry
  readonly dispatcher: Dispatcher
  readonly clock: ManualClock
  readonly connection: ParentConnection
  readonly signal: AbortSignal
  /** Everything that was logged. */
  logged(): string
}

export function openDispatcher(t: TestContext, options: DispatcherOptions = {}): Dispatcher {
  const dispatcher = createDispatcher({ random: () => 0, clock: manualClock(), ...options })
  t.after(() => dispatcher.close())
  dispatcher.know('127.0.0.1')
  return dispatcher
}

export function openParent(
  t: TestContext,
  target: string | ParentConnection,
  options: DispatcherOptions = {}
): ParentRig {
  const lines: string[] = []
  const log = createLog({ module: 'test', level: 'Debug', destination: { write: (line) => void lines.push(line) } })
  const clock = manualClock()
  const connection = typeof target === 'string' ? connectionTo(target) : target
  const dispatcher = openDispatcher(t, { clock, log, ...options })
  const parent = createParentRegistry({ connection, dispatcher, log, clock })
  return { parent, dispatcher, clock, connection, signal: t.signal, logged: () => lines.join('') }
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = []
  for await (const item of items) collected.push(item)
  return collected
}

export async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const copies: Buffer[] = []
  for await (const chunk of chunks) copies.push(Buffer.from(chunk))
  return Buffer.concat(copies)
}
