import { type FileHandle, open, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { BlockToWrite } from './hash-and-write.ts'

// Brings content by GET, and knows nothing else: each address in a message is read by a connection of its own into shared memory, which
// a thread that is started for it writes and hashes; then it is on the disk, and gone again. Tells how many milliseconds that took.

export interface Reading {
  readonly urls: readonly string[]
  readonly folder: string
}

const readBytes = 256 * 1024
const blockBytes = 1024 * 1024
/** One is filled while the other is written. */
const blocksEach = 2

process.on('message', async ({ urls, folder }: Reading) => {
  const startedAt = performance.now()
  const thread = startThread()
  const paths = urls.map((url) => join(folder, url.slice(url.lastIndexOf('sha256:'))))
  await Promise.all(urls.map((url, at) => bring(new URL(url), paths[at] as string, thread)))
  const tookMs = performance.now() - startedAt
  await thread.end()
  for (const path of paths) await rm(path)
  process.send?.(tookMs)
})
process.once('disconnect', () => process.exit())

type Thread = ReturnType<typeof startThread>

function startThread() {
  const worker = new Worker(new URL('./hash-and-write.ts', import.meta.url))
  const waiting: ((hex: string) => void)[] = []
  worker.on('message', (hex: string) => waiting.shift()?.(hex))
  return {
    /** Resolves to the SHA-256 of all blocks of this file so far, in hex, behind the last one. */
    write(block: BlockToWrite): Promise<string> {
      const { promise, resolve } = Promise.withResolvers<string>()
      waiting.push(resolve)
      worker.postMessage(block)
      return promise
    },
    end: () => worker.terminate()
  }
}

async function bring(url: URL, path: string, thread: Thread): Promise<void> {
  await using file = await open(path, 'w')
  const hex = await read(url, file, thread)
  await file.datasync()
  if (!url.pathname.endsWith(hex)) throw new Error(`${url} has the digest sha256:${hex}`)
}

function newBlock(): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(blockBytes))
}

function read(url: URL, file: FileHandle, thread: Thread): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const free = Array.from({ length: blocksEach }, newBlock)
  const buffer = Buffer.allocUnsafeSlow(readBytes)
  let head = ''
  let [length, received, position, filled] = [Number.POSITIVE_INFINITY, 0, 0, 0]
  let piece: Uint8Array = buffer.subarray(0, 0)
  let filling: Uint8Array | undefined

  function write(block: Uint8Array): void {
    const [at, isLast] = [position, received === length]
    position += filled
    const written = thread.write({ file: file.fd, block: block.subarray(0, filled), at, isLast })
    ;[filling, filled] = [undefined, 0]
    written.then((hex) => {
      free.push(block)
      if (isLast) resolve(hex)
      else if (piece.length > 0 && take()) socket.resume()
    }, reject)
  }

  /** False where there is no block for the rest of the piece. */
  function take(): boolean {
    while (piece.length > 0) {
      filling ??= free.pop()
      if (!filling) return false
      const part = piece.subarray(0, blockBytes - filled)
      filling.set(part, filled)
      filled += part.length
      received += part.length
      piece = piece.subarray(part.length)
      if (filled === blockBytes || received === length) write(filling)
    }
    if (received === length) socket.destroy()
    return true
  }

  function arrived(count: number): boolean {
    piece = buffer.subarray(0, count)
    if (length === Number.POSITIVE_INFINITY) {
      const known = head.length
      head += buffer.toString('latin1', 0, count)
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) return true
      length = Number(/content-length: *(\d+)/i.exec(head)?.[1])
      piece = piece.subarray(end + 4 - known)
    }
    return take()
  }

  const onread = { buffer, callback: arrived }
  const socket: Socket = connect({ host: url.hostname, port: Number(url.port), onread })
  socket.on('error', reject)
  socket.write(`GET ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`)
  return promise
}
