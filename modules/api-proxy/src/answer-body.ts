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
  let buffer: Buffer | undefined
  const goOn = () => connection.resume()

  return {
    write(content, left) {
      if (content.length === 0) return true
      // What was read so far lies in memory that other connections read into.
      const own = buffer ? content : Buffer.from(content)
      if (!buffer && left > smallBytes) {
        buffer = buffers.take()
        connection.readInto(buffer)
      }
      response.write(own, goOn)
      return false
    },
    end(content) {
      connection.readInto(undefined)
      if (content.length === 0) response.end()
      else if (content.length <= textBytes) response.end(textOf(content), 'latin1')
      else response.end(buffer ? content : Buffer.from(content))
    },
    close(isWhole) {
      if (!buffer) return
      if (isWhole) buffers.giveBack(buffer)
      else buffers.giveUp(buffer)
      buffer = undefined
    }
  }
}

function textOf({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('latin1')
}
