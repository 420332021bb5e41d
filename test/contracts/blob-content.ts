import { type Digest, digestOf } from '../../modules/connected-registry/src/protocol/digest.ts'
import type { BlobStore, ByteRange } from '../../modules/connected-registry/src/storage/blob-store.ts'

/** The bytes in chunks that all share one piece of memory, as a socket's reads do. */
export async function* inChunks(bytes: Uint8Array, chunkSize: number): AsyncIterable<Uint8Array> {
  const shared = new Uint8Array(chunkSize)
  for (let at = 0; at < bytes.length; at += chunkSize) {
    const chunk = bytes.subarray(at, at + chunkSize)
    shared.set(chunk)
    yield shared.subarray(0, chunk.length)
  }
}

/** The first bytes, then the others once `goOn` is called. `reached` resolves when the first were taken. */
export function thenGoesOn(first: Uint8Array, others: Uint8Array) {
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>()
  const { promise: gate, resolve: goOn } = Promise.withResolvers<void>()
  async function* content(): AsyncIterable<Uint8Array> {
    yield first
    reach()
    await gate
    yield others
  }
  return { content: content(), reached, goOn }
}

/** The bytes, then nothing more and no end. */
export function thenHangs(bytes: Uint8Array) {
  return thenGoesOn(bytes, new Uint8Array())
}

export async function* thenFails(bytes: Uint8Array, error: Error): AsyncIterable<Uint8Array> {
  yield bytes
  throw error
}

export async function putBlob(store: BlobStore, bytes: Uint8Array, digest: Digest = digestOf(bytes)): Promise<Digest> {
  const id = await store.beginUpload()
  await store.append(id, inChunks(bytes, 64 * 1024), { at: 0 })
  await store.commit(id, digest)
  return digest
}

export async function listBlobs(store: BlobStore): Promise<readonly Digest[]> {
  const digests: Digest[] = []
  for await (const digest of store.list()) digests.push(digest)
  return digests
}

/** Undefined: the store does not hold it. */
export async function readBlob(
  store: BlobStore,
  digest: Digest,
  { range, bufferSize = 4096 }: { range?: ByteRange; bufferSize?: number } = {}
): Promise<Buffer | undefined> {
  const reader = await store.open(digest, range)
  if (!reader) return undefined
  const parts: Uint8Array[] = []
  const buffer = new Uint8Array(bufferSize)
  for (let length = await reader.read(buffer); length > 0; length = await reader.read(buffer)) {
    parts.push(buffer.slice(0, length))
  }
  return Buffer.concat(parts)
}
