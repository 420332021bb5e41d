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
  let text = ''
  let head: AnswerHead | undefined
  let left = 0
  let chunks: ChunkedBody | undefined
  let excess = 0

  /** The body's first bytes, once the head is whole. */
  function takeHead(piece: Buffer): Buffer | undefined {
    const known = text.length
    text += piece.toString('latin1', 0, headLimit + 4 - known)
    const end = text.indexOf('\r\n\r\n', Math.max(0, known - 3))
    if (end < 0 && text.length > headLimit) throw new MalformedAnswerError('the head is too long')
    if (end < 0) return undefined
    const found = parseAnswerHead(text.slice(0, end))
    text = ''
    const rest = piece.subarray(end + 4 - known)
    if (found.status < 200) return takeInterim(found, rest)
    head = found
    if (hasNoBody(method, head.status)) left = 0
    else if (head.isChunked) chunks = createChunkedBody()
    else left = head.contentLength ?? Number.POSITIVE_INFINITY
    return rest
  }

  function takeInterim({ status }: AnswerHead, rest: Buffer): Buffer | undefined {
    if (status === 101) throw new MalformedAnswerError('it changes to a protocol that nobody asked for')
    if (status === 100) onContinue()
    return takeHead(rest)
  }

  function takeChunks(body: ChunkedBody, piece: Uint8Array): Uint8Array {
    const parts = [...body.read(piece)]
    excess = body.excess
    return parts.length === 1 ? (parts[0] ?? nothing) : Buffer.concat(parts)
  }

  const isOver = () => head !== undefined && (chunks ? chunks.isOver : left === 0)
  return {
    take(piece) {
      const rest = head ? piece : takeHead(piece)
      if (!rest || rest.length === 0) return nothing
      if (chunks) return takeChunks(chunks, rest)
      const content = rest.length > left ? rest.subarray(0, left) : rest
      left -= content.length
      excess += rest.length - content.length
      return content
    },
    get head() {
      return head
    },
    get left() {
      return chunks ? Number.POSITIVE_INFINITY : left
    },
    get isOver() {
      return isOver()
    },
    get isClean() {
      return isOver() && head?.keepAlive === true && excess === 0
    },
    end() {
      if (left === Number.POSITIVE_INFINITY) left = 0
      return isOver()
    }
  }
}

function hasNoBody(method: string, status: number): boolean {
  return method === 'HEAD' || status === 204 || status === 304
}
