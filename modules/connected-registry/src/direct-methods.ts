import type { MethodResponse, Methods } from '@connected-registry/edge-module/methods.ts'
import { z } from 'zod'
import { plainJson } from './report.ts'
import type { Site } from './site.ts'
import type { Json } from './storage/record-store.ts'

const collectSchema = z.strictObject({ dryRun: z.boolean().optional() })

/** Shorter than the caller's patience (`az iot hub invoke-module-method` waits 30 s unless told otherwise). */
const patienceMs = 20_000

/**
 * What an operator can ask of the running module: `sync` (one iteration now), `resync` (a full comparison), `status`,
 * `collectGarbage` (payload `{ dryRun?: boolean }`; 200 with the report, 202 where it goes on, 400 for another payload).
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
  const collectGarbage = async (payload: unknown): Promise<MethodResponse> => {
    const options = collectSchema.safeParse(payload ?? {})
    if (!options.success) return { status: 400, payload: { message: 'the payload must be { "dryRun": true | false }' } }
    const { garbage } = site()
    if (!garbage) return { status: 409, payload: { message: 'there is no store to clean' } }
    const report = await inTime(garbage.collect(options.data))
    if (report === 'running') return { status: 202, payload: { message: 'the collection goes on; status will tell' } }
    return { status: 200, payload: plainJson(report) }
  }
  return {
    collectGarbage,
    sync: () => sync(false),
    resync: () => sync(true),
    status: async () => ({ status: 200, payload: await status() })
  }
}

async function inTime<T>(work: Promise<T>): Promise<T | 'running'> {
  const { promise, resolve } = Promise.withResolvers<'running'>()
  const timer = setTimeout(resolve, patienceMs, 'running')
  return Promise.race([work, promise]).finally(() => clearTimeout(timer))
}
