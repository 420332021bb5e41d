import type { MethodResponse, Methods } from '@connected-registry/edge-module/methods.ts'
import { z } from 'zod'
import type { Children } from './children/children.ts'
import { plainJson } from './report.ts'
import type { Report, Reporting } from './reporting.ts'
import type { Site } from './site.ts'

const childSchema = z.strictObject({ name: z.string() })
const collectSchema = z.strictObject({ dryRun: z.boolean().optional() })

/** Shorter than the caller's patience (`az iot hub invoke-module-method` waits 30 s unless told otherwise). */
const callerPatienceMs = 20_000

// IoT Hub, "direct methods": payloads are limited to 128 KiB.
const answerBytes = 127 * 1024

/**
 * What an operator can ask of the running module: `sync` (one iteration now), `resync` (a full comparison), `status` (all
 * there is to say, or what the twin shows where that is too long for an answer), `collectGarbage` (payload
 * `{ dryRun?: boolean }`; 200 with the report, 202 where it goes on, 400 for another payload).
 * `deactivate` (payload `{ name }`) frees the name of a child for another instance: 200, or 404 where none is active. `readmit`
 * (the same payload) lets instances that were freed have it again: 200, or 404 where there are none.
 * `sync` and `resync` answer 200 with the iteration's summary; 202 where it goes on longer than a caller waits; 409 where
 * nothing can be synced.
 */
export function createDirectMethods(
  site: () => Site | undefined,
  { status, summary }: Pick<Reporting, 'status' | 'summary'>,
  patienceMs: number = callerPatienceMs
): Methods {
  const sync = async (complete: boolean): Promise<MethodResponse> => {
    const ended = await inTime(site()?.engine?.sync({ complete }) ?? Promise.resolve(undefined), patienceMs)
    if (ended === 'running')
      return { status: 202, payload: { message: 'the iteration goes on; status tells how far it is' } }
    if (ended) return { status: 200, payload: plainJson(ended) }
    return { status: 409, payload: { message: 'nothing can be synced', statusDetails: summary().statusDetails ?? [] } }
  }
  const collectGarbage = async (payload: unknown): Promise<MethodResponse> => {
    const options = collectSchema.safeParse(payload ?? {})
    if (!options.success) return { status: 400, payload: { message: 'the payload must be { "dryRun": true | false }' } }
    const { garbage } = site() ?? {}
    if (!garbage) return { status: 409, payload: { message: 'there is no store to clean' } }
    const report = await inTime(garbage.collect(options.data), patienceMs)
    if (report === 'running') return { status: 202, payload: { message: 'the collection goes on; status will tell' } }
    return { status: 200, payload: plainJson(report) }
  }
  const ofChild =
    (act: ActOnChild) =>
    async (payload: unknown): Promise<MethodResponse> => {
      const options = childSchema.safeParse(payload)
      if (!options.success) return { status: 400, payload: { message: 'the payload must be { "name": "<child>" }' } }
      const { children } = site() ?? {}
      if (!children) return { status: 409, payload: { message: 'there is no store that knows any child' } }
      return act(children, options.data.name)
    }
  return {
    collectGarbage,
    deactivate: ofChild(deactivate),
    readmit: ofChild(readmit),
    sync: () => sync(false),
    resync: () => sync(true),
    status: async () => {
      const full = await status()
      return { status: 200, payload: fits(full) ? full : summary() }
    }
  }
}

type ActOnChild = (children: Children, name: string) => Promise<MethodResponse>

const deactivate: ActOnChild = async (children, name) => {
  if (await children.deactivate(name)) return { status: 200, payload: { message: `${name} is deactivated` } }
  return { status: 404, payload: { message: `no instance of ${name} is active` } }
}

const readmit: ActOnChild = async (children, name) => {
  const message = `instances of ${name} that were deactivated may be activated again`
  if (await children.readmit(name)) return { status: 200, payload: { message } }
  return { status: 404, payload: { message: `no instance of ${name} was deactivated` } }
}

function fits(payload: Report): boolean {
  return Buffer.byteLength(JSON.stringify(payload)) <= answerBytes
}

async function inTime<T>(work: Promise<T>, patienceMs: number): Promise<T | 'running'> {
  const { promise, resolve } = Promise.withResolvers<'running'>()
  const timer = setTimeout(resolve, patienceMs, 'running')
  return Promise.race([work, promise]).finally(() => clearTimeout(timer))
}
