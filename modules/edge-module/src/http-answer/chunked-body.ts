import { headLimit, MalformedAnswerError } from './answer-head.ts'

/** Takes the framing off a chunked body (RFC 9112, section 7.1), however the pieces of it are cut. */
export interface ChunkedBody {
  /** The content in this piece. Throws MalformedAnswerError for what is no chunk. */
  read(piece: Uint8Array): Generator<Uint8Array>
  /** The last chunk and the trailers came. */
  readonly isOver: boolean
  /** Bytes that came behind the end. */
  readonly excess: number
}

const chunkLine = /^([0-9a-fA-F]{1,12})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/
const lineLimit = 1024
const [carriageReturn, lineFeed] = [13, 10]

export function createChunkedBody(): ChunkedBody {
  let state: 'size' | 'data' | 'after data' | 'trailers' | 'over' = 'size'
  let left = 0
  let line = ''
  let trailerBytes = 0
  let excess = 0

  function takeLine(text: string): void {
    if (state === 'after data') {
      if (text !== '') throw new MalformedAnswerError('a chunk is longer than it says')
      state = 'size'
    } else if (state === 'size') {
      const size = chunkLine.exec(text)?.[1]
      if (size === undefined) throw new MalformedAnswerError('the size of a chunk is malformed')
      left = Number.parseInt(size, 16)
      state = left === 0 ? 'trailers' : 'data'
    } else if (text === '') {
      state = 'over'
    } else {
      // What they say is of no interest; that they end is.
      trailerBytes += text.length
      if (trailerBytes > headLimit) throw new MalformedAnswerError('the trailers are too long')
    }
  }

  /** One byte of a line; a line ends with both characters, and holds neither. */
  function takeByte(byte: number): void {
    if (byte === lineFeed) {
      if (!line.endsWith('\r')) throw new MalformedAnswerError('a line ends without a carriage return')
      const text = line.slice(0, -1)
      line = ''
      takeLine(text)
      return
    }
    if (line.endsWith('\r')) throw new MalformedAnswerError('a carriage return stands alone')
    if (line.length >= lineLimit || (byte < 32 && byte !== carriageReturn && byte !== 9)) {
      throw new MalformedAnswerError('the line of a chunk is malformed')
    }
    line += String.fromCharCode(byte)
  }

  return {
    *read(piece) {
      for (let at = 0; at < piece.byteLength; ) {
        if (state === 'over') {
          excess += piece.byteLength - at
          return
        }
        if (state !== 'data') {
          takeByte(piece[at++]!)
          continue
        }
        const data = piece.subarray(at, at + left)
        at += data.byteLength
        left -= data.byteLength
        if (left === 0) state = 'after data'
        yield data
      }
    },
    get isOver() {
      return state === 'over'
    },
    get excess() {
      return excess
    }
  }
}
