import type { Socket } from 'node:net'
import {
  type FramedAnswerHead,
  headLimit,
  MalformedAnswerError,
  parseFramedHead
} from '@connected-registry/edge-module/http-answer/answer-head.ts'
import { type ChunkedBody, createChunkedBody } from '@connected-registry/edge-module/http-answer/chunked-body.ts'
import type { AddressGuard } from './address-guard.ts'
import { type ContentSocket, mostReadBytes, openContentSocket } from './content-socket.ts'
import { createReadTurns, type ReadTurns } from './read-turns.ts'

/**
 * GET for content, read into buffers that are used again: a third of what a client library computes for it. Whatever has a
 * body without an end of its own is left to the library.
 */
export interface ContentConnections {
  /** Undefined: not for this reader; nothing of the answer was used, and it may be asked again another way. */
  get(request: ContentRequest): Promise<ContentAnswer | undefined>
  close(): void
}

export interface ContentRequest {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly headersMs: number
  readonly signal: AbortSignal
}

export interface ContentAnswer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** Pieces are in memory that the next one takes again. */
  readonly body: AsyncIterable<Uint8Array>
  destroy(): void
}

export interface ContentConnectionsOptions {
  readonly guard: AddressGuard
  readonly trusted: readonly string[] | undefined
  readonly connectMs: number
  readonly idleMs: number
  readonly onSocket: (socket: Socket) => void
  /** Others wait for the event loop: less is read with one of its turns. */
  readonly yields?: (() => boolean) | undefined
  /** By default those that these connections share. */
  readonly turns?: ReadTurns
}

/** Read at once, and by all together with one turn. With less, a turn costs more than what it brings. */
const alone = { readBytes: mostReadBytes, turnBytes: 128 * 1024 }
/** Half the rate while clients ask without a pause; they wait twice as long as without a sync, and not five times. */
const besideClients = { readBytes: 32 * 1024, turnBytes: 32 * 1024 }

const idleLimit = 20
/** Less than servers keep one that says nothing. */
const restMs = 4_000
const knownLimit = 64

export function createContentConnections(options: ContentConnectionsOptions): ContentConnections {
  /** Each until its timer ends. */
  const resting = new Map<string, Map<ContentSocket, NodeJS.Timeout>>()
  const used = new Set<ContentSocket>()
  /** Hosts whose answers have another shape. */
  const others = new Set<string>()
  const { yields = () => false } = options
  const amounts = () => (yields() ? besideClients : alone)
  const turns = options.turns ?? createReadTurns(() => amounts().turnBytes)
  const reading = { turns, readBytes: () => amounts().readBytes }

  function takeResting(origin: string): ContentSocket | undefined {
    for (const [socket, timer] of resting.get(origin) ?? []) {
      clearTimeout(timer)
      leave(origin, socket)
      if (socket.isQuiet) return socket
      socket.destroy()
    }
    return undefined
  }

  function leave(origin: string, socket: ContentSocket): void {
    const idle = resting.get(origin)
    idle?.delete(socket)
    if (idle?.size === 0) resting.delete(origin)
  }

  function rest(origin: string, socket: ContentSocket): void {
    const idle = resting.get(origin) ?? new Map<ContentSocket, NodeJS.Timeout>()
    if (idle.size >= idleLimit || !socket.isQuiet) {
      socket.destroy()
      return
    }
    const over = () => {
      leave(origin, socket)
      socket.destroy()
    }
    idle.set(socket, setTimeout(over, restMs).unref())
    resting.set(origin, idle)
  }

  async function ask(request: ContentRequest, socket: ContentSocket): Promise<ContentAnswer | undefined> {
    const { url, signal } = request
    let isOver = false
    const end = (isReusable: boolean) => {
      if (isOver) return
      isOver = true
      signal.removeEventListener('abort', destroy)
      used.delete(socket)
      if (isReusable) rest(url.origin, socket)
      else socket.destroy()
    }
    const destroy = () => end(false)
    used.add(socket)
    signal.addEventListener('abort', destroy, { once: true })
    try {
      socket.write(requestText(request))
      const { head, rest: first } = await readHead(socket, request.headersMs)
      if (head !== 'other') {
        const body = bodyOf(socket, first, contentOf(head), options.idleMs)
        return { ...head, body: endedBy(body, (isClean) => end(isClean && head.keepAlive)), destroy }
      }
    } catch (error) {
      destroy()
      signal.throwIfAborted()
      throw error
    }
    destroy()
    others.add(url.origin)
    const [oldest] = others
    if (others.size > knownLimit && oldest !== undefined) others.delete(oldest)
    return undefined
  }

  return {
    async get(request) {
      const { origin } = request.url
      if (others.has(origin) || !isPlain(request)) return undefined
      const { signal } = request
      const kept = takeResting(origin)
      if (kept) {
        // The other side may have closed it in this moment.
        const answer = await ask(request, kept).catch((error: unknown) =>
          isGone(error) ? 'gone' : Promise.reject(error)
        )
        signal.throwIfAborted()
        if (answer !== 'gone') return answer
      }
      return ask(request, await openContentSocket({ ...options, ...reading, origin: request.url, signal }))
    },
    close() {
      for (const idle of resting.values()) for (const socket of idle.keys()) socket.destroy()
      for (const socket of used) socket.destroy()
    }
  }
}

const visible = /^[\t\x20-\x7e]*$/

/** What could end a header or a line is nothing to write by hand. */
function isPlain({ url, headers }: ContentRequest): boolean {
  const texts = [url.pathname, url.search, url.host, ...Object.entries(headers).flat()]
  return url.username === '' && texts.every((text) => visible.test(text)) && !/[\s]/.test(url.pathname + url.search)
}

function requestText({ url, headers }: ContentRequest): string {
  const lines = Object.entries({ host: url.host, connection: 'keep-alive', ...headers })
  return [
    `GET ${url.pathname}${url.search} HTTP/1.1`,
    ...lines.map(([name, value]) => `${name}: ${value}`),
    '',
    ''
  ].join('\r\n')
}

/** The head, and the bytes of the body that came with it. */
async function readHead(socket: ContentSocket, waitMs: number) {
  const until = performance.now() + waitMs
  let text = ''
  for (;;) {
    const piece = await socket.read(Math.max(1, until - performance.now()))
    if (!piece) throw goneError(text === '')
    const known = text.length
    text += Buffer.from(piece.subarray(0, headLimit + 4 - known)).toString('latin1')
    const end = text.indexOf('\r\n\r\n')
    if (end >= 0) {
      const head = parseFramedHead(text.slice(0, end))
      return { head, rest: piece.subarray(end + 4 - known) }
    }
    if (text.length > headLimit) throw new MalformedAnswerError('the head is too long')
  }
}

/** What of the pieces is content, and when it is whole. */
type Framing = Pick<ChunkedBody, 'read' | 'isOver' | 'excess'>

function contentOf({ contentLength }: FramedAnswerHead): Framing {
  return contentLength === undefined ? createChunkedBody() : createCountedBody(contentLength)
}

function createCountedBody(length: number): Framing {
  let left = length
  let excess = 0
  return {
    *read(piece) {
      const content = piece.subarray(0, left)
      left -= content.byteLength
      excess += piece.byteLength - content.byteLength
      if (content.byteLength > 0) yield content
    },
    get isOver() {
      return left === 0
    },
    get excess() {
      return excess
    }
  }
}

/** Returns whether the connection has nothing left of this answer. */
async function* bodyOf(
  socket: ContentSocket,
  first: Uint8Array,
  framing: Framing,
  idleMs: number
): AsyncGenerator<Uint8Array, boolean> {
  yield* framing.read(first)
  while (!framing.isOver) {
    const piece = await socket.read(idleMs)
    if (!piece) throw goneError(false)
    yield* framing.read(piece)
  }
  // What comes behind the end belongs to nobody.
  return framing.excess === 0
}

async function* endedBy(
  body: AsyncGenerator<Uint8Array, boolean>,
  end: (isClean: boolean) => void
): AsyncGenerator<Uint8Array> {
  try {
    end(yield* body)
  } finally {
    end(false)
  }
}

function goneError(isSilent: boolean): Error {
  return Object.assign(new Error('the other side closed the connection'), {
    code: isSilent ? 'EPIPE' : 'ECONNRESET',
    isSilent
  })
}

/** Before a single byte of the answer: then it was closed while it rested. */
function isGone(error: unknown): boolean {
  if (!(error instanceof Error && 'code' in error)) return false
  return 'isSilent' in error ? error.isSilent === true : error.code === 'EPIPE' || error.code === 'ECONNRESET'
}
