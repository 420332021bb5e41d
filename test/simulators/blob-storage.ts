import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

/** What Azure Blob Storage on IoT Edge does with block blobs, as far as an API proxy can tell it from another server. */
export interface BlobStorage {
  readonly port: number
  start(): Promise<void>
  stop(): Promise<void>
  /** By `account/container/name`, decoded. */
  readonly blobs: ReadonlyMap<string, Buffer>
  readonly requests: readonly { readonly url: string; readonly headers: IncomingMessage['headers'] }[]
}

export function createBlobStorage({ host = '127.0.0.1' } = {}): BlobStorage {
  const blobs = new Map<string, Buffer>()
  const blocks = new Map<string, Map<string, Buffer>>()
  const requests: { url: string; headers: IncomingMessage['headers'] }[] = []
  const server = createServer((request, response) => {
    serve(request, response).catch((error) => response.destroy(error))
  })
  let port = 0

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url = '/', headers } = request
    requests.push({ url, headers })
    const { pathname, searchParams } = new URL(url, 'http://storage')
    const name = decodeURIComponent(pathname.slice(1))
    const version = headers['x-ms-version']
    response.setHeader('x-ms-version', String(version))
    if (version === undefined) fail(response, 400, 'MissingRequiredHeader')
    else if (headers.authorization === undefined && !searchParams.has('sig'))
      fail(response, 403, 'AuthorizationFailure')
    else if (method === 'PUT') put(name, searchParams, await buffer(request), response)
    else if (method === 'GET' || method === 'HEAD') get(name, headers.range, response)
    else if (method === 'DELETE') response.writeHead(blobs.delete(name) ? 202 : 404).end()
    else fail(response, 405, 'UnsupportedHttpVerb')
  }

  function put(name: string, query: URLSearchParams, body: Buffer, response: ServerResponse): void {
    const pending = blocks.get(name) ?? new Map<string, Buffer>()
    if (query.get('comp') === 'block') {
      blocks.set(name, pending.set(query.get('blockid') ?? '', body))
    } else if (query.get('comp') === 'blocklist') {
      const ids = Array.from(body.toString().matchAll(/<Latest>(.+?)<\/Latest>/g), ([, id]) => id ?? '')
      if (!ids.every((id) => pending.has(id))) {
        fail(response, 400, 'InvalidBlockList')
        return
      }
      blobs.set(name, Buffer.concat(ids.map((id) => pending.get(id) ?? Buffer.alloc(0))))
    } else blobs.set(name, body)
    const md5 = createHash('md5').update(body).digest('base64')
    response.writeHead(201, { 'content-md5': md5, 'content-length': 0 }).end()
  }

  function get(name: string, range: string | undefined, response: ServerResponse): void {
    const blob = blobs.get(name)
    if (!blob) {
      fail(response, 404, 'BlobNotFound')
      return
    }
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
    const part = first === undefined ? blob : blob.subarray(Number(first), Number(last) + 1)
    const length = { 'content-length': part.length, 'x-ms-blob-type': 'BlockBlob' }
    response.writeHead(first === undefined ? 200 : 206, length).end(part)
  }

  return {
    blobs,
    requests,
    get port() {
      return port
    },
    async start() {
      await once(server.listen(port, host), 'listening')
      port = (server.address() as AddressInfo).port
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

function fail(response: ServerResponse, status: number, code: string): void {
  const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code></Error>`
  const headers = { 'content-type': 'application/xml', 'x-ms-error-code': code, 'content-length': body.length }
  response.writeHead(status, headers).end(body)
}
