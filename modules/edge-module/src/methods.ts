import { reasonOf, within } from './deadline.ts'
import type { Log } from './log.ts'
import type { Json } from './twin.ts'

export interface MethodResponse {
  readonly status: number
  readonly payload: Json
}

/** By method name. A payload is whatever JSON the caller sent; undefined when there was none. */
export type Methods = Readonly<Record<string, (payload: unknown) => Promise<MethodResponse>>>

export interface MethodOptions {
  readonly timeoutMs: number
  readonly log: Log
  /** The caller has gone: whatever the answer, nobody waits for it. */
  readonly signal?: AbortSignal
}

// IoT Hub, "direct methods": payloads of requests and responses are limited to 128 KiB.
const responseLimitBytes = 128 * 1024

/**
 * One direct method call, from the bytes that came to the answer that goes back: it always settles and never rejects.
 * What is not JSON answers 400; a method that throws, takes too long or answers nonsense, 500 with a message.
 */
export async function answerMethod(
  methods: Methods,
  name: string,
  body: Uint8Array,
  options: MethodOptions
): Promise<MethodResponse> {
  const request = readPayload(body)
  if (!request.isJson) return refusal(400, 'the payload is not JSON')
  try {
    const answering = Promise.resolve().then(() => methods[name]!(request.payload))
    return checked(await within(options.timeoutMs, name, answering, options.signal))
  } catch (error) {
    options.log.warn({ method: name, reason: reasonOf(error) }, 'direct method failed')
    return refusal(500, reasonOf(error))
  }
}

function readPayload(body: Uint8Array): { isJson: boolean; payload?: unknown } {
  if (body.length === 0) return { isJson: true }
  try {
    return { isJson: true, payload: JSON.parse(Buffer.from(body).toString()) }
  } catch {
    return { isJson: false }
  }
}

function checked({ status, payload }: MethodResponse): MethodResponse {
  if (!Number.isInteger(status) || status <= 0) throw new Error('the method answered no status')
  const bytes = Buffer.byteLength(JSON.stringify(payload ?? null))
  if (bytes > responseLimitBytes) throw new Error(`the method answered ${bytes} bytes, at most ${responseLimitBytes}`)
  return { status, payload: payload ?? null }
}

function refusal(status: number, message: string): MethodResponse {
  return { status, payload: { message: message.slice(0, 1024) } }
}
