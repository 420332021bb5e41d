import type { MethodResponse, Methods } from '@connected-registry/edge-module/methods.ts'
import { plainJson } from './report.ts'
import type { Site } from './site.ts'
import type { Json } from './storage/record-store.ts'
import type { IterationSummary } from './sync/status.ts'

/** Shorter than the caller's patience (`az iot hub invoke-module-method` waits 30 s unless told otherwise). */
const patienceMs = 20_000

/**
 * What an operator can ask of the running module: `sync` (one iteration now), `resync` (a full comparison), `status`.
 * `sync` and `resync` answer 200 with the iteration's summary; 202 where it goes on longer than a caller waits; 409 where
 * nothing can be synced.
 */
export function createDirectMethods(site: () => Site, status: () => Promise<Record<string, Json>>): Methods {
  const sync = async (complete: boolean): Promise<MethodResponse> => {
    const ended = await inTime(site().engine?.sync({ complete }) ?? Promise.resolve(undefined))
    if (ended === 'running')
      return { status: 202, payload: { message: 'the iteration goes on; status tells how far it is' } }
    if (ended) return { status: 200, payload: plainJson(ended) }
    const { statusDetails = [] } = await status()
    return { status: 409, payload: { message: 'nothing can be synced', statusDetails } }
  }
  return {
    sync: () => sync(false),
    resync: () => sync(true),
    status: async () => ({ status: 200, payload: await status() })
  }
}

async function inTime(
  iteration: Promise<IterationSummary | undefined>
): Promise<IterationSummary | 'running' | undefined> {
  const { promise, resolve } = Promise.withResolvers<'running'>()
  const timer = setTimeout(resolve, patienceMs, 'running')
  return Promise.race([iteration, promise]).finally(() => clearTimeout(timer))
}
