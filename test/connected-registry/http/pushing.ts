import { type OutgoingHttpHeaders, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { type Digest, digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import {
  type Answer,
  basic,
  readAnswer,
  type ServedRegistry,
  type ServeOptions,
  serveRegistry
} from './served-registry.ts'

/** A registry that takes pushes. */
export async function serveWritable(t: TestContext, options: ServeOptions = {}): Promise<ServedRegistry> {
  const served = await serveRegistry(t, options)
  served.settings.mode = 'ReadWrite'
  return served
}

/** A new upload, by `writer` unless said otherwise: the path it goes on at. */
export async function beginUpload(
  served: Pick<ServedRegistry, 'send'>,
  repository = 'app/web',
  client: OutgoingHttpHeaders = basic('writer')
): Promise<string> {
  const answer = await served.send('POST', `/v2/${repository}/blobs/uploads/`, client)
  if (answer.status !== 202) throw new Error(`POST answered ${answer.status}: ${answer.text}`)
  return answer.headers.location!
}

/** A blob pushed by POST and PUT: its digest. */
export async function pushBlob(served: ServedRegistry, repository: string, bytes: Uint8Array): Promise<Digest> {
  const location = await beginUpload(served, repository)
  const answer = await served.send('PUT', `${location}?digest=${digestOf(bytes)}`, basic('writer'), bytes)
  if (answer.status !== 201) throw new Error(`PUT answered ${answer.status}: ${answer.text}`)
  return digestOf(bytes)
}

export function patch(
  served: ServedRegistry,
  location: string,
  bytes: Uint8Array,
  headers: OutgoingHttpHeaders = {}
): Promise<Answer> {
  return served.send('PATCH', location, { ...basic('writer'), ...headers }, bytes)
}

/** The same without a length in its head. */
export function stream(
  served: ServedRegistry,
  location: string,
  bytes: Uint8Array,
  headers: OutgoingHttpHeaders = {}
): Promise<Answer> {
  const head = { ...basic('writer'), 'transfer-encoding': 'chunked', ...headers }
  return new Promise((resolve, reject) => {
    const outgoing = request({ port: served.port, method: 'PATCH', path: location, headers: head }, (response) => {
      readAnswer(response).then(resolve, reject)
    })
    outgoing.on('error', reject)
    outgoing.end(bytes)
  })
}

/** The head of a request by `writer`, as it goes over the wire. */
export function rawHead(method: string, path: string, headers: Readonly<Record<string, string | number>>): string {
  const all = { Host: 'registry', Authorization: basic('writer').authorization, ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
}

/** A socket of one's own, closed with the test. */
export async function openSocket(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  // Resets are what these tests are about.
  socket.on('error', () => {})
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  return socket
}
