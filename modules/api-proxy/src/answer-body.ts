import type { ServerResponse } from 'node:http'
import type { BodyBuffers } from './body-buffers.ts'
import type { RegistryConnection } from './registry-connections.ts'

/** The way of an answer's content to the client: what is read waits until the piece before it is sent. */
export interface AnswerBody {
  /** `left`: bytes still to come. Returns whether to go on reading at once. */
  write(content: Uint8Array, left: number): boolean
  /** With the last of it. */
  end(content: Uint8Array): void
  /** The response is over, and whether all of it was sent. */
  close(isWhole: boolean): void
}

/** Up to here a copy is cheaper than a buffer, and head and content go out in one. */
const textBytes = 16 * 1024
const smallBytes = 64 * 1024

export function createAnswerBody(
  response: ServerResponse,
  connection: RegistryConnection,
  buffers: BodyBuffers
): AnswerBody {
  return new Body(response, connection, buffers)
}

// A class: there is one for each request, and closures cost as many objects as it has methods.
class Body implements AnswerBody {
  readonly #response: ServerResponse
  readonly #connection: RegistryConnection
  readonly #buffers: BodyBuffers
  #buffer: Buffer | undefined

  constructor(response: ServerResponse, connection: RegistryConnection, buffers: BodyBuffers) {
    this.#response = response
    this.#connection = connection
    this.#buffers = buffers
  }

  write(content: Uint8Array, left: number): boolean {
    if (content.length === 0) return true
    // What was read so far lies in memory that other connections read into.
    const own = this.#buffer ? content : Buffer.from(content)
    if (!this.#buffer && left > smallBytes) {
      this.#buffer = this.#buffers.take()
      this.#connection.readInto(this.#buffer)
    }
    this.#response.write(own, this.#connection.resume)
    return false
  }

  end(content: Uint8Array): void {
    if (this.#buffer) this.#connection.readInto(undefined)
    if (content.length === 0) this.#response.end()
    else if (content.length <= textBytes) this.#response.end(textOf(content), 'latin1')
    else this.#response.end(this.#buffer ? content : Buffer.from(content))
  }

  close(isWhole: boolean): void {
    if (!this.#buffer) return
    if (isWhole) this.#buffers.giveBack(this.#buffer)
    else this.#buffers.giveUp(this.#buffer)
    this.#buffer = undefined
  }
}

function textOf(content: Uint8Array): string {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(content.buffer, content.byteOffset, content.length)
  return bytes.toString('latin1')
}
