import { connect } from 'node:net'

/** One answer. The body is counted, and kept only where that was asked for. */
export interface Answer {
  readonly status: number
  /** Status line and headers as they came. */
  readonly head: string
  readonly bytes: number
  readonly body: string
}

export interface Request {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  /** Whole header lines, each with its CRLF. */
  readonly headers?: string
  readonly content?: Content
  /** As it came: of an answer in chunks with their framing. */
  readonly keepBody?: boolean
}

/** What a request carries: parts that are written as they are, never copied. */
export interface Content {
  readonly size: number
  parts(): Iterable<Uint8Array>
}

/** A keep-alive HTTP/1.1 connection to a server on the loopback, one request at a time. */
export interface Connection {
  send(request: Request): Promise<Answer>
  close(): void
}

const readSize = 256 * 1024

/**
 * As little as a client can do: reads go into one buffer that is used again and again, and bodies are counted by length or by
 * chunks. It knows nothing of redirects, trailers or answers without a length.
 */
export async function openConnection(port: number): Promise<Connection> {
  const opened = Promise.withResolvers<void>()
  let receive: ((bytes: Buffer) => void) | undefined
  let fail: (reason: Error) => void = opened.reject
  const socket = connect({
    port,
    host: '127.0.0.1',
    noDelay: true,
    onread: {
      buffer: Buffer.allocUnsafeSlow(readSize),
      callback(count, buffer) {
        receive?.((buffer as Buffer).subarray(0, count))
        return true
      }
    }
  })
  socket.once('connect', opened.resolve)
  socket.on('error', (error) => fail(error))
  socket.on('close', () => fail(new Error('the server closed the connection')))
  await opened.promise

  async function write({ content }: Request): Promise<void> {
    for (const part of content?.parts() ?? []) {
      if (socket.destroyed) return
      if (!socket.write(part)) await drained()
    }
  }

  function drained(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const settle = () => {
      socket.off('drain', settle).off('close', settle)
      resolve()
    }
    socket.once('drain', settle).once('close', settle)
    return promise
  }

  return {
    send(request) {
      const { promise, resolve, reject } = Promise.withResolvers<Answer>()
      const reader = createAnswerReader(request)
      fail = reject
      receive = (bytes) => {
        const answer = reader(bytes)
        if (answer) resolve(answer)
      }
      socket.write(headOf(request))
      if (request.content) void write(request)
      return promise
    },
    close: () => socket.destroy()
  }
}

function headOf({ method, path, headers = '', content }: Request): string {
  const length = content || method !== 'GET' ? `Content-Length: ${content?.size ?? 0}\r\n` : ''
  return `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}${method === 'HEAD' ? '' : length}\r\n`
}

/** Takes bytes as they come; the answer once it is whole. */
function createAnswerReader({ method, keepBody = false }: Request): (bytes: Buffer) => Answer | undefined {
  let head = ''
  let status = 0
  let count: ((bytes: Buffer) => boolean) | undefined
  let bytesOfBody = 0
  let body = ''

  function take(bytes: Buffer): Answer | undefined {
    const isWhole = count!(bytes)
    if (keepBody) body += bytes.toString('latin1')
    bytesOfBody += bytes.length
    return isWhole ? { status, head, bytes: bytesOfBody, body } : undefined
  }

  return (bytes) => {
    if (count) return take(bytes)
    const before = head.length
    head += bytes.toString('latin1')
    const end = head.indexOf('\r\n\r\n', Math.max(0, before - 3))
    if (end < 0) return undefined
    head = head.slice(0, end + 4)
    status = Number(head.slice(9, 12))
    count = method === 'HEAD' || status === 204 || status === 304 ? () => true : bodyCounter(head)
    return take(bytes.subarray(end + 4 - before))
  }
}

function bodyCounter(head: string): (bytes: Buffer) => boolean {
  const length = headerOf(head, 'content-length')
  if (length !== undefined) return lengthCounter(Number(length))
  if (headerOf(head, 'transfer-encoding') === 'chunked') return chunkCounter()
  throw new Error(`an answer without a length: ${head.split('\r\n', 1)[0]}`)
}

function lengthCounter(length: number): (bytes: Buffer) => boolean {
  let left = length
  return (bytes) => {
    left -= bytes.length
    return left <= 0
  }
}

/** True at the end of the last chunk. Framing is small next to content, so it is gathered as text. */
function chunkCounter(): (bytes: Buffer) => boolean {
  let left = 0
  let framing = ''
  return (bytes) => {
    for (let at = 0; at < bytes.length; ) {
      if (left > 0) {
        const skipped = Math.min(left, bytes.length - at)
        left -= skipped
        at += skipped
        continue
      }
      framing += String.fromCharCode(bytes[at++]!)
      if (/^(?:\r\n)?0\r\n\r\n$/.test(framing)) return true
      const size = /^(?:\r\n)?([1-9a-f][0-9a-f]*)\r\n$/i.exec(framing)?.[1]
      if (size === undefined) continue
      left = Number.parseInt(size, 16)
      framing = ''
    }
    return false
  }
}

/** `name` in lower case. */
export function headerOf(head: string, name: string): string | undefined {
  return new RegExp(`\\r\\n${name}: *([^\\r]*)`, 'i').exec(head)?.[1]
}
