import { createHash, randomBytes } from 'node:crypto'
import { type Answer, type Connection, type Content, headerOf, type Request } from './connection.ts'
import type { Contender } from './contenders.ts'

export interface Blob extends Content {
  readonly digest: string
}

/** An image of one layer, as the load generator `zb` makes them. */
export interface Image {
  readonly layer: Blob
  readonly config: Blob
  readonly manifest: Blob
}

export const manifestType = 'application/vnd.oci.image.manifest.v1+json'
const partSize = 1024 * 1024
const filler = randomBytes(partSize)

/** A blob like no other: its first 4 KiB are random, the rest repeats one random MiB. */
export function aBlob(size: number): Blob {
  const first = Buffer.from(filler.subarray(0, Math.min(size, partSize)))
  randomBytes(Math.min(size, 4096)).copy(first)
  function* parts() {
    yield first
    for (let left = size - first.length; left > 0; left -= partSize) yield filler.subarray(0, Math.min(left, partSize))
  }
  return { size, parts, digest: digestOf(parts()) }
}

export function anImage(layer: Blob): Image {
  const config = blobOf(JSON.stringify({ architecture: 'amd64', os: 'linux', id: randomBytes(16).toString('hex') }))
  return { layer, config, manifest: manifestOf(layer, config) }
}

/** An image with the same content and another manifest. */
export function anotherOf({ layer, config }: Image): Image {
  return { layer, config, manifest: manifestOf(layer, config, { id: randomBytes(16).toString('hex') }) }
}

function manifestOf(layer: Blob, config: Blob, annotations?: Readonly<Record<string, string>>): Blob {
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    config: descriptorOf('application/vnd.oci.image.config.v1+json', config),
    layers: [descriptorOf('application/vnd.oci.image.layer.v1.tar', layer)],
    ...(annotations && { annotations })
  }
  return blobOf(JSON.stringify(manifest))
}

/** What an operation needs: whom to ask, over which connection, for which repository and with which proof. */
export interface Target {
  readonly connection: Connection
  readonly repository: string
  /** The header line of `Contender.authorize`. */
  readonly authorization: string
}

export async function targetOf(contender: Contender, connection: Connection, repository: string): Promise<Target> {
  return { connection, repository, authorization: await contender.authorize(repository) }
}

/** POST, then PUT the whole (distribution-spec, "Pushing a blob monolithically"). */
export async function pushWhole(target: Target, blob: Blob): Promise<void> {
  await finishUpload(target, await beginUpload(target), blob)
}

/** POST, PATCH each part, PUT without content. `chunkSize` left out: one PATCH with the whole. */
export async function pushChunks(target: Target, blob: Blob, chunkSize?: number): Promise<void> {
  let location = await beginUpload(target)
  for (const [content, from] of chunksOf(blob, chunkSize ?? blob.size)) {
    const range = chunkSize ? `Content-Range: ${from}-${from + content.size - 1}\r\n` : ''
    const headers = `${target.authorization}Content-Type: application/octet-stream\r\n${range}`
    location = locationOf(await expect(target, { method: 'PATCH', path: location, headers, content }, 202))
  }
  await finishUpload(target, location, { size: 0, parts: () => [], digest: blob.digest })
}

export async function pushManifest(target: Target, { manifest }: Image, tag: string): Promise<void> {
  const path = `/v2/${target.repository}/manifests/${tag}`
  const headers = `${target.authorization}Content-Type: ${manifestType}\r\n`
  await expect(target, { method: 'PUT', path, headers, content: manifest }, 201)
}

export async function deleteManifest(target: Target, { manifest }: Image): Promise<void> {
  const path = `/v2/${target.repository}/manifests/${manifest.digest}`
  await expect(target, { method: 'DELETE', path, headers: target.authorization }, 202)
}

export async function pushImage(
  target: Target,
  image: Image,
  tag: string,
  pushBlob: (target: Target, blob: Blob) => Promise<void> = pushWhole
): Promise<void> {
  await pushBlob(target, image.layer)
  await pushBlob(target, image.config)
  await pushManifest(target, image, tag)
}

/** HEAD and GET of manifest, config and layer, as `zb` pulls. */
export async function pullImage(target: Target, { config, layer }: Image, tag: string): Promise<void> {
  for (const path of [`manifests/${tag}`, `blobs/${config.digest}`, `blobs/${layer.digest}`]) {
    await read(target, 'HEAD', path)
    await read(target, 'GET', path)
  }
}

/** Resolves to the bytes of the body. */
export async function read(target: Target, method: 'GET' | 'HEAD', path: string): Promise<number> {
  const headers = `${target.authorization}Accept: ${manifestType}\r\n`
  const { bytes } = await expect(target, { method, path: `/v2/${target.repository}/${path}`, headers }, 200)
  return bytes
}

/** Resolves to the session's location, a path. */
export async function beginUpload(target: Target): Promise<string> {
  const path = `/v2/${target.repository}/blobs/uploads/`
  return locationOf(await expect(target, { method: 'POST', path, headers: target.authorization }, 202))
}

async function finishUpload(target: Target, location: string, blob: Blob): Promise<void> {
  const path = finishPath(location, blob)
  const headers = `${target.authorization}Content-Type: application/octet-stream\r\n`
  await expect(target, { method: 'PUT', path, headers, content: blob }, 201)
}

async function expect({ connection }: Target, request: Request, status: number): Promise<Answer> {
  const answer = await connection.send(request)
  if (answer.status === status) return answer
  throw new Error(`${request.method} ${request.path.split('?')[0]} answered ${answer.status}, not ${status}`)
}

export function finishPath(location: string, { digest }: Blob): string {
  return `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`
}

function locationOf({ head }: Answer): string {
  const { pathname, search } = new URL(headerOf(head, 'location') ?? '', 'http://127.0.0.1')
  return pathname + search
}

/** Parts of a blob are of one MiB, so a chunk is a number of them. */
function* chunksOf(blob: Blob, size: number): Iterable<readonly [content: Content, from: number]> {
  const parts = [...blob.parts()]
  for (let from = 0; from < blob.size; from += size) {
    const chunk = parts.slice(from / partSize, Math.ceil((from + size) / partSize))
    yield [{ size: Math.min(size, blob.size - from), parts: () => chunk }, from]
  }
}

function blobOf(text: string): Blob {
  const bytes = Buffer.from(text)
  return { size: bytes.length, parts: () => [bytes], digest: digestOf([bytes]) }
}

function digestOf(parts: Iterable<Uint8Array>): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return `sha256:${hash.digest('hex')}`
}

function descriptorOf(mediaType: string, { digest, size }: Blob) {
  return { mediaType, digest, size }
}
