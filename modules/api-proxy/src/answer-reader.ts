import {
  type AnswerHead,
  headLimit,
  MalformedAnswerError,
  parseAnswerHead
} from '@connected-registry/edge-module/http-answer/answer-head.ts'
import { type ChunkedBody, createChunkedBody } from '@connected-registry/edge-module/http-answer/chunked-body.ts'

/** Reads one answer of HTTP/1.1 from the pieces that a connection brings, however they are cut (RFC 9112, section 6.3). */
export interface AnswerReader {
  /** The content in this piece, in its memory. Throws MalformedAnswerError. */
  take(piece: Buffer): Uint8Array
  /** Undefined until it is whole. */
  readonly head: AnswerHead | undefined
  /** Bytes of content that are still to come; infinite where only the end tells. */
  readonly left: number
  readonly isOver: boolean
  /** Whether another request may follow on the connection. */
  readonly isClean: boolean
  /** The connection has ended: whether that is the end of the answer, too. */
  end(): boolean
}

const nothing = new Uint8Array()

/** `onContinue`: the body of the request is wanted (100). Other interim answers mean nothing here. */
export function createAnswerReader(method: string, onContinue: () => void): AnswerReader {
  return new Reader(method, onContinue)
}

// A class: there is one for each request, and V8 makes objects with getters of their own slowly.
class Reader implements AnswerReader {
  head: AnswerHead | undefined
  readonly #method: string
  readonly #onContinue: () => void
  #text = ''
  #left = 0
  #chunks: ChunkedBody | undefined
  #excess = 0

  constructor(method: string, onContinue: () => void) {
    this.#method = method
    this.#onContinue = onContinue
  }

  take(piece: Buffer): Uint8Array {
    const rest = this.head ? piece : this.#takeHead(piece)
    if (!rest || rest.length === 0) return nothing
    if (this.#chunks) return this.#takeChunks(this.#chunks, rest)
    const content = rest.length > this.#left ? rest.subarray(0, this.#left) : rest
    this.#left -= content.length
    this.#excess += rest.length - content.length
    return content
  }

  get left(): number {
    return this.#chunks ? Number.POSITIVE_INFINITY : this.#left
  }

  get isOver(): boolean {
    return this.head !== undefined && (this.#chunks ? this.#chunks.isOver : this.#left === 0)
  }

  get isClean(): boolean {
    return this.isOver && this.head?.keepAlive === true && this.#excess === 0
  }

  end(): boolean {
    if (this.#left === Number.POSITIVE_INFINITY) this.#left = 0
    return this.isOver
  }

  /** The body's first bytes, once the head is whole. */
  #takeHead(piece: Buffer): Buffer | undefined {
    const known = this.#text.length
    const text = this.#text + piece.toString('latin1', 0, headLimit + 4 - known)
    const end = text.indexOf('\r\n\r\n', Math.max(0, known - 3))
    if (end < 0 && text.length > headLimit) throw new MalformedAnswerError('the head is too long')
    this.#text = end < 0 ? text : ''
    if (end < 0) return undefined
    const found = parseAnswerHead(text.slice(0, end))
    const rest = piece.subarray(end + 4 - known)
    if (found.status < 200) return this.#takeInterim(found, rest)
    this.head = found
    if (hasNoBody(this.#method, found.status)) this.#left = 0
    else if (found.isChunked) this.#chunks = createChunkedBody()
    else this.#left = found.contentLength ?? Number.POSITIVE_INFINITY
    return rest
  }

  #takeInterim({ status }: AnswerHead, rest: Buffer): Buffer | undefined {
    if (status === 101) throw new MalformedAnswerError('it changes to a protocol that nobody asked for')
    if (status === 100) this.#onContinue()
    return this.#takeHead(rest)
  }

  #takeChunks(body: ChunkedBody, piece: Uint8Array): Uint8Array {
    const parts = [...body.read(piece)]
    this.#excess = body.excess
    return parts.length === 1 ? (parts[0] ?? nothing) : Buffer.concat(parts)
  }
}

function hasNoBody(method: string, status: number): boolean {
  return method === 'HEAD' || status === 204 || status === 304
}
