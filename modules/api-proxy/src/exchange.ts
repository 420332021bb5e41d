import type { IncomingMessage, ServerResponse } from 'node:http'
import { type AnswerBody, createAnswerBody } from './answer-body.ts'
import { type AnswerReader, createAnswerReader } from './answer-reader.ts'
import { passContinue } from './answers.ts'
import type { BodyBuffers } from './body-buffers.ts'
import { answeredHeaders } from './headers.ts'
import type { Reader, RegistryConnection } from './registry-connections.ts'
import { type Sending, sendBody } from './request-body.ts'

/** A request on its way to the registry. */
export interface Asked {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** As the registry gets it, with its empty line. */
  readonly head: string
  readonly isSecondAttempt: boolean
}

export interface ExchangeOptions {
  readonly connection: RegistryConnection
  readonly buffers: BodyBuffers
  /** At most once; the connection is gone. */
  readonly failed: (error: Error, asked: Asked, progress: Progress) => void
}

/** How far one came that failed. */
export interface Progress {
  /** The connection had answered another request before. */
  readonly isReused: boolean
  /** The head of the answer is out. */
  readonly hasBegun: boolean
}

/** Sends a request on a connection, and passes on what is answered there. */
export function exchange(asked: Asked, options: ExchangeOptions): void {
  new Exchange(asked, options).begin()
}

const nothing = new Uint8Array()

// A class: there is one for each request, and closures cost as many objects as it has methods.
class Exchange implements Reader {
  readonly #asked: Asked
  readonly #failed: ExchangeOptions['failed']
  readonly #connection: RegistryConnection
  readonly #reader: AnswerReader
  readonly #body: AnswerBody
  #sending: Sending | undefined
  #isSettled = false

  constructor(asked: Asked, { connection, buffers, failed }: ExchangeOptions) {
    const { request, response } = asked
    this.#asked = asked
    this.#failed = failed
    this.#connection = connection
    this.#reader = createAnswerReader(request.method ?? '', () => passContinue(response))
    this.#body = createAnswerBody(response, connection, buffers)
  }

  begin(): void {
    const { request, response, head } = this.#asked
    const { socket } = this.#connection
    this.#connection.use(this)
    response.on('close', () => this.#closed())
    socket.write(head, 'latin1')
    this.#sending = sendBody(request, socket, () => this.#sent())
  }

  #sent(): void {
    const isAnswered = this.#isSettled || this.#reader.head !== undefined
    if (!isAnswered) this.#connection.silence.begin()
  }

  take(piece: Buffer): boolean {
    try {
      const hadHead = this.#reader.head !== undefined
      const content = this.#reader.take(piece)
      if (!this.#reader.head) return true
      if (!hadHead) this.#beginAnswer()
      return this.#pass(content)
    } catch (error) {
      this.failed(error as Error)
      return false
    }
  }

  ended(error: Error | undefined): void {
    // A reset is never the end of an answer, not even of one that only the connection's end can tell.
    if (error || !this.#reader.end()) this.failed(error ?? cutOff())
    else this.#pass(nothing)
  }

  failed(error: Error): void {
    if (this.#isSettled) return
    this.#settle()
    this.#connection.destroy()
    const { response } = this.#asked
    if (response.destroyed || response.writableEnded) return
    const { isReused } = this.#connection
    this.#failed(error, this.#asked, { isReused, hasBegun: this.#reader.head !== undefined })
  }

  #beginAnswer(): void {
    this.#connection.silence.end()
    const { status, rawHeaders, connection: listed } = this.#reader.head!
    // No reason phrase: it means nothing (RFC 9112, 4).
    this.#asked.response.writeHead(status, answeredHeaders(rawHeaders, listed))
  }

  #pass(content: Uint8Array): boolean {
    if (!this.#reader.isOver) return this.#body.write(content, this.#reader.left)
    this.#settle()
    this.#body.end(content)
    if (this.#reader.isClean && this.#sending?.isDone) this.#connection.rest()
    else this.#connection.destroy()
    return true
  }

  #settle(): void {
    this.#isSettled = true
    this.#connection.silence.end()
    this.#sending?.stop()
  }

  #closed(): void {
    if (!this.#isSettled) {
      // An answer that is over leaves nothing to do above: its client has gone.
      this.#connection.destroy()
      this.#settle()
    }
    this.#body.close(this.#asked.response.writableFinished)
  }
}

function cutOff(): Error {
  return Object.assign(new Error('the connection was closed before the answer was whole'), { code: 'ECONNRESET' })
}
