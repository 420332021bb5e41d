import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { request as secureRequest } from 'node:https'
import { limitedText } from '@connected-registry/edge-module/http-answer/limited-text.ts'
import type { Obstacle } from './health.ts'
import type { RouteTable, Upstream } from './routes.ts'

export interface ProbeOptions {
  readonly timeoutMs: number
  /** An answer counts for so long: however many ask, the registry is asked once in this time. */
  readonly keptMs: number
  readonly now: () => number
}

const defaults: ProbeOptions = { timeoutMs: 2_000, keptMs: 1_000, now: () => performance.now() }

/** What serves repositories on this device; undefined: the parent does. */
export function registryOf({ routes }: Pick<RouteTable, 'routes'>): Upstream | undefined {
  const target = routes.find(({ prefix }) => prefix === '/v2')?.target
  return target?.kind === 'parent' ? undefined : target
}

/** Asks the registry of this device whether it can serve: what it names, or that it does not answer. */
export function createRegistryProbe(registry: () => Upstream | undefined, options: Partial<ProbeOptions> = {}) {
  const { timeoutMs, keptMs, now } = { ...defaults, ...options }
  let askedAt = Number.NEGATIVE_INFINITY
  let asked: Promise<readonly Obstacle[]> = Promise.resolve([])
  return (): Promise<readonly Obstacle[]> => {
    if (now() - askedAt >= keptMs) {
      askedAt = now()
      const upstream = registry()
      asked = upstream ? ask(upstream, timeoutMs).catch(unreachable) : Promise.resolve([])
    }
    return asked
  }
}

async function ask({ protocol, address }: Upstream, timeoutMs: number): Promise<readonly Obstacle[]> {
  const target = { ...address, path: '/readyz', agent: false, signal: AbortSignal.timeout(timeoutMs) }
  // Nothing secret is asked or believed: whose certificate it is does not matter.
  const outgoing = protocol === 'https' ? secureRequest({ ...target, rejectUnauthorized: false }) : request(target)
  outgoing.end()
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  if (answer.statusCode === 503) return reasonsIn(await limitedText(answer.setEncoding('utf8')))
  // Another program than ours knows no such path, and can serve.
  answer.destroy()
  return []
}

/** The registry's own reasons, as it says them; what is not in their shape is only "not ready". */
function reasonsIn(text: string): readonly Obstacle[] {
  const notReady = { code: 'REGISTRY_NOT_READY', description: 'the registry of this device cannot serve' }
  try {
    const { reasons } = JSON.parse(text)
    return [notReady, ...reasons.filter(isObstacle).map(short)]
  } catch {
    return [notReady]
  }
}

function isObstacle(value: unknown): value is Obstacle {
  if (typeof value !== 'object' || value === null) return false
  const { code, description } = value as Partial<Obstacle>
  return typeof code === 'string' && typeof description === 'string'
}

function short({ code, description }: Obstacle): Obstacle {
  return { code: code.slice(0, 100), description: description.slice(0, 500) }
}

function unreachable(error: NodeJS.ErrnoException): readonly Obstacle[] {
  const why = error.name === 'AbortError' ? 'it did not answer in time' : (error.code ?? error.message)
  return [{ code: 'REGISTRY_UNREACHABLE', description: `the registry of this device is not reachable: ${why}` }]
}
