import { randomUUID } from 'node:crypto'
import type { Context } from 'koa'
import { z } from 'zod'
import type { Child } from '../children/child.ts'
import { parseChildReport } from '../children/child-reports.ts'
import type { Children } from '../children/children.ts'
import { RegistryError } from '../protocol/errors.ts'
import { gatewayHeaders, gatewayVersion, messageLimits } from '../protocol/gateway.ts'
import { answer, answerJson, type Headers, readyJson } from './answer.ts'
import { isNotModified } from './conditional.ts'
import type { Handler, Target } from './handler.ts'
import { readBody } from './request-body.ts'

// The gateway protocol, version 1 (protocol/gateway.ts): what a connected registry below this one asks. Each answer names the epoch
// and whether this registry's own first sync is complete.

const activationLimits = { bytes: 4096, idleMs: 5000, totalMs: 15_000 } as const
const reportLimits = { bytes: 1 << 20, idleMs: 5000, totalMs: 30_000 } as const

/** GET /acr/gateway/v1, for everybody: a registry that speaks it. Anything else is a plain parent. */
export function getGateway(children: Children): Handler {
  return (ctx) => answerJson(ctx, 200, { gateway: gatewayVersion }, headersOf(ctx, children))
}

/** POST .../{name}/activation `{ instanceId, version }`: 200 with the stores above; 409 ALREADY_ACTIVATED for another instance. */
export function postActivation(children: Children): Handler {
  return async (ctx, target) => {
    const instance = readActivation(await readJson(ctx, activationLimits))
    const activated = await children.activate(childOf(children, target), instance)
    answerJson(ctx, 200, activated, headersOf(ctx, children))
  }
}

/** GET .../{name}/config: what the child is configured with, in the shape of a twin's desired properties; ETag and 304. */
export function getConfig(children: Children): Handler {
  return async (ctx, target) => {
    const child = await activeChild(ctx, children, target)
    const { etag, body } = children.config(child)
    const headers: Headers = { ...headersOf(ctx, children), ETag: etag, 'Cache-Control': 'no-store' }
    if (isNotModified(ctx.req, etag)) return answer(ctx, 304, headers)
    const ready = readyJson(body, headers)
    answer(ctx, 200, ready.headers, ready.body)
  }
}

/**
 * GET .../{name}/messages?after=&limit=&wait=&config=: what happened after a cursor, `wait` seconds of long poll (50 at the most), and a
 * message where `config` is not the ETag of the config there is now. Without `after`: a cursor to begin with. 410 MESSAGES_EXPIRED.
 */
export function getMessages(children: Children): Handler {
  return async (ctx, target) => {
    const child = await activeChild(ctx, children, target)
    const limit = numberIn(ctx, 'limit', messageLimits.page, messageLimits.mostPerPage)
    const wait = numberIn(ctx, 'wait', 0, messageLimits.longestWaitSeconds)
    const gone = new AbortController()
    ctx.res.once('close', () => gone.abort())
    const request = { after: textIn(ctx, 'after'), etag: textIn(ctx, 'config'), signal: gone.signal }
    const asked = children.messages(child, { ...request, limit: Math.max(1, limit), waitMs: wait * 1000 })
    const page = await asked.catch(unlessAborted(gone.signal))
    if (!page) return
    // Its token, or its place as the active instance, may have been taken away while it waited.
    await target.confirm?.()
    await activeChild(ctx, children, target)
    answerJson(ctx, 200, page, headersOf(ctx, children))
  }
}

/** Who has left wants no answer, and that is no failure. */
function unlessAborted(signal: AbortSignal): (error: unknown) => undefined {
  return (error) => {
    if (!signal.aborted) throw error
  }
}

/** POST .../{name}/status: what the child says of itself and of those below it. 204. */
export function postStatus(children: Children): Handler {
  return async (ctx, target) => {
    const child = await activeChild(ctx, children, target)
    const report = parseChildReport(await readJson(ctx, reportLimits))
    if ('problems' in report) throw new RegistryError('GATEWAY_INVALID', { problems: report.problems })
    children.report(child, report)
    answer(ctx, 204, headersOf(ctx, children))
  }
}

async function activeChild(ctx: Context, children: Children, target: Target): Promise<Child> {
  const child = childOf(children, target)
  const instance = ctx.req.headers[gatewayHeaders.instance.toLowerCase()]
  await children.require(child, typeof instance === 'string' ? instance : undefined)
  return child
}

// Its token was in force a moment ago: the settings took the child away since.
function childOf(children: Children, { gateway = '' }: Target): Child {
  const child = children.find(gateway)
  if (!child) throw new RegistryError('DENIED')
  return child
}

function headersOf(ctx: Context, children: Children): Headers {
  return {
    [gatewayHeaders.epoch]: children.epoch,
    [gatewayHeaders.initialSync]: String(children.isSynced()),
    [gatewayHeaders.mode]: children.mode(),
    [gatewayHeaders.correlation]: correlationOf(ctx)
  }
}

/** The caller's own where it is one; it comes back in our answer and in nothing else but logs. */
function correlationOf({ req }: Context): string {
  const shown = req.headers[gatewayHeaders.correlation.toLowerCase()]
  return typeof shown === 'string' && /^[A-Za-z0-9-]{1,64}$/.test(shown) ? shown : randomUUID()
}

async function readJson(ctx: Context, limits: Parameters<typeof readBody>[1]): Promise<unknown> {
  const bytes = await readBody(ctx, limits)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw new RegistryError('GATEWAY_INVALID', undefined, 'the body is no JSON')
  }
}

const activationSchema = z.object({
  instanceId: z.string().regex(/^[A-Za-z0-9-]{1,64}$/),
  version: z.string().min(1).max(50)
})

function readActivation(document: unknown): z.infer<typeof activationSchema> {
  const parsed = activationSchema.safeParse(document)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
  throw new RegistryError('GATEWAY_INVALID', { problems })
}

function numberIn(ctx: Context, name: string, otherwise: number, most: number): number {
  const text = textIn(ctx, name)
  if (text === undefined) return otherwise
  if (!/^\d{1,9}$/.test(text)) throw new RegistryError('GATEWAY_INVALID', { parameter: name }, `${name} is no number`)
  return Math.min(Number(text), most)
}

function textIn({ query }: Context, name: string): string | undefined {
  const value = query[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}
