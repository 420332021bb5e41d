import { createHash, type Hash } from 'node:crypto'
import { writeSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'

// The thread of the bare reader: what it is given it writes, then hashes, as the registry does.

export interface BlockToWrite {
  readonly file: number
  /** Of shared memory. */
  readonly block: Uint8Array
  readonly at: number
  readonly isLast: boolean
}

const writeBytes = 64 * 1024
const hashes = new Map<number, Hash>()

parentPort?.on('message', ({ file, block, at, isLast }: BlockToWrite) => {
  for (let done = 0; done < block.length; ) {
    done += writeSync(file, block, done, Math.min(block.length - done, writeBytes), at + done)
  }
  const hash = hashes.get(file) ?? createHash('sha256')
  hashes.set(file, hash.update(block))
  if (isLast) hashes.delete(file)
  parentPort?.postMessage(isLast ? hash.digest('hex') : '')
})
