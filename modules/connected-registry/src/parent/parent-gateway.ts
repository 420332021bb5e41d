import { z } from 'zod'
import { parseDigest } from '../protocol/digest.ts'
import type { ActivationAnswer, MessagesPage } from '../protocol/gateway.ts'
import { gatewayHeaders, gatewayPath, gatewayVersion, parseCursor } from '../protocol/gateway.ts'
import { essence } from '../protocol/media-types.ts'
import { isRepositoryName, isTag } from '../protocol/reference.ts'
import { type Answer, badAnswer, discard, headerOf, readJson, refusal } from './answer.ts'
import { type ParentLink, urlOf } from './parent-link.ts'

/** The gateway of a parent that is a connected registry itself (`protocol/gateway.ts`). All failures are ParentError. */
export interface ParentGateway {
  /** What its answers told last. Undefined: it never spoke as a gateway, or says by now that it is none. */
  readonly standing: GatewayStanding | undefined
  /** What was known of it before a restart; counts until it is heard. */
  recall(epoch: string): void
  /** It turned out to be a plain parent. */
  forget(): void
  /** `other`: a page or redirect that may stand in for it, such as a portal's. Throws where it cannot be told. */
  probe(signal: AbortSignal): Promise<'gateway' | 'plain' | 'other'>
  activate(instance: Instance, signal: AbortSignal): Promise<ActivationAnswer>
  /** Undefined: `etag` is still the one. */
  config(instance: Instance, etag: string | undefined, signal: AbortSignal): Promise<GatewayConfig | undefined>
  /** MESSAGES_EXPIRED is the `parentCode` where the cursor is none of its own any more. */
  messages(instance: Instance, request: MessagesRequest, signal: AbortSignal): Promise<MessagesPage>
  report(instance: Instance, report: object, signal: AbortSignal): Promise<void>
}

export interface GatewayStanding {
  /** The id of its store. */
  readonly epoch: string
  /** Its own first sync is complete. */
  readonly isSynced: boolean
  /** It takes no change from anybody. Undefined: it did not say. */
  readonly isReadOnly?: boolean | undefined
}

export interface Instance {
  readonly instanceId: string
  readonly version: string
}

export interface GatewayConfig {
  readonly etag: string
  readonly body: Readonly<Record<string, unknown>>
}

export interface MessagesRequest {
  /** Undefined: a cursor to begin with. */
  readonly after?: string | undefined
  readonly waitSeconds: number
  /** Of the config that is known here. */
  readonly etag?: string | undefined
  readonly limit: number
}

// Twenty thousand tokens with their hashes and rights are some five.
const configLimit = 16 << 20
const messagesLimit = 4 << 20
const answerLimit = 64 * 1024

const epochText = /^[A-Za-z0-9-]{1,64}$/
const etagText = /^(?:W\/)?"[\x21\x23-\x7e]{0,200}"$/
const greeting = z.object({ gateway: z.literal(gatewayVersion) })
const activation: z.ZodType<ActivationAnswer> = z.object({
  name: z.string().max(50),
  ancestors: z.array(z.string().regex(epochText)).max(64)
})
const sequence = z.number().int().nonnegative()
const message = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('artifact'),
    sequence,
    repository: z.string().max(256).refine(isRepositoryName),
    reference: z.string().refine((text) => isTag(text) || parseDigest(text) !== undefined)
  }),
  z.object({ kind: z.literal('config'), sequence, etag: z.string().regex(etagText) })
])
const page: z.ZodType<MessagesPage> = z.object({
  messages: z.array(message).max(1000),
  next: z.string().refine((text) => parseCursor(text) !== undefined)
})
const document = z.record(z.string(), z.unknown())

export function createParentGateway(link: ParentLink): ParentGateway {
  const { name, scope } = addressOf(link)
  let standing: GatewayStanding | undefined

  function hear(answer: Answer): void {
    const epoch = headerOf(answer, gatewayHeaders.epoch.toLowerCase())
    if (epoch === undefined || !epochText.test(epoch)) return
    const mode = headerOf(answer, gatewayHeaders.mode.toLowerCase())
    const isSynced = headerOf(answer, gatewayHeaders.initialSync.toLowerCase()) === 'true'
    standing = { epoch, isSynced, ...(mode !== undefined && { isReadOnly: mode === 'ReadOnly' }) }
  }

  /** `read` sees what is no refusal. */
  function ask<T>(call: Call, read: (answer: Answer) => Promise<T>): Promise<T> {
    const { path, instance, body, headers, ...rest } = call
    const url = urlOf(link, `${gatewayPath}/${encodeURIComponent(name)}/${path}`)
    const all = {
      accept: 'application/json',
      [gatewayHeaders.correlation]: crypto.randomUUID(),
      [gatewayHeaders.instance]: instance.instanceId,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers
    }
    const bytes = body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }
    return link.authentication.request({ ...rest, ...bytes, url, scope, headers: all }, async (answer) => {
      hear(answer)
      if (answer.status >= 400) throw await refusal(answer)
      return read(answer)
    })
  }

  return {
    get standing() {
      return standing
    },
    recall(epoch) {
      standing ??= { epoch, isSynced: false }
    },
    forget() {
      standing = undefined
    },
    probe(signal) {
      // Without credentials: whoever it is, it need not know them. Once: whether it may be asked again is the caller's to say.
      const url = urlOf(link, gatewayPath)
      const request = { operation: 'gateway', method: 'GET', url, signal, once: true } as const
      return link.dispatcher.request(request, async (answer) => {
        if (answer.status === 200 && essence(headerOf(answer, 'content-type') ?? '') === 'application/json') {
          const known = await readJson(answer, z.unknown(), answerLimit)
          if (!greeting.safeParse(known).success) return 'plain'
          hear(answer)
          if (!standing) throw badAnswer(answer, 'it does not name its epoch')
          return 'gateway'
        }
        await discard(answer)
        return answer.status < 400 ? 'other' : 'plain'
      })
    },
    activate: (instance, signal) =>
      ask({ operation: 'activation', method: 'POST', path: 'activation', instance, body: instance, signal }, (answer) =>
        readJson(answer, activation, answerLimit)
      ),
    config(instance, etag, signal) {
      const headers: Record<string, string> = etag === undefined ? {} : { 'if-none-match': etag }
      return ask({ operation: 'config', method: 'GET', path: 'config', instance, headers, signal }, async (answer) => {
        if (answer.status === 304) {
          await discard(answer)
          return undefined
        }
        const fresh = headerOf(answer, 'etag')
        if (fresh === undefined || !etagText.test(fresh)) {
          answer.close()
          throw badAnswer(answer, 'it has no ETag')
        }
        return { etag: fresh, body: await readJson(answer, document, configLimit) }
      })
    },
    messages(instance, { after, waitSeconds, etag, limit }, signal) {
      const query = new URLSearchParams({ limit: String(limit), wait: String(waitSeconds) })
      if (after !== undefined) query.set('after', after)
      if (etag !== undefined) query.set('config', etag)
      const waiting = { workMs: waitSeconds * 1000, once: true }
      const call = {
        operation: 'messages',
        method: 'GET',
        path: `messages?${query}`,
        instance,
        signal,
        ...waiting
      } as const
      return ask(call, (answer) => readJson(answer, page, messagesLimit))
    },
    report: (instance, report, signal) =>
      ask({ operation: 'status', method: 'POST', path: 'status', instance, body: report, signal }, discard)
  }
}

interface Call {
  readonly operation: string
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly instance: Instance
  readonly body?: object
  readonly headers?: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  readonly workMs?: number
  readonly once?: boolean
}

function addressOf({ connection }: ParentLink) {
  const name = connection.registryName
  return { name, scope: `gateway:${name}:config_read,config_write,message_read` }
}
