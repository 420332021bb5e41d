import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { basicAuthorization } from '../../test/fixtures/push-image.ts'

export interface BasicFront {
  readonly url: string
  close(): Promise<void>
}

export interface BasicFrontOptions {
  readonly target: string
  readonly caFile: string
  readonly credentials: { readonly name: string; readonly password: string }
}

/**
 * A client that shows its name and password with each request. The official programs take the way that a registry's challenge
 * names, which is Bearer: Basic has to be put on their requests from outside.
 */
export async function openBasicFront({ target, caFile, credentials }: BasicFrontOptions): Promise<BasicFront> {
  const authorization = basicAuthorization(credentials.name, credentials.password)
  const ca = readFileSync(caFile)
  const server = createServer((incoming, response) => {
    forward(incoming, response).catch(() => response.destroy())
  })

  async function forward(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url = '/' } = incoming
    const headers = { ...incoming.headers, authorization }
    const send = target.startsWith('https:') ? httpsRequest : httpRequest
    const outgoing = send(new URL(target), { method, path: url, headers, ca })
    const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>
    await pipeline(incoming, outgoing)
    const [answer] = await answered
    response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
    await pipeline(answer, response)
  }

  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}
