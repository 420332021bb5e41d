import type { Hash } from 'node:crypto'
import { readlinkSync, readSync, writeSync } from 'node:fs'
import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { newHash } from '../protocol/digest.ts'
import { blockSize } from './gathered-writes.ts'
import type { BlockRequest, HashingReply, HashingRequest, ReadRequest } from './hashing.ts'
import { codeOf } from './store-error.ts'

// The worker thread that writes and hashes what uploads bring, from memory that it shares with the thread that gathers it.

// proc(5), /proc/thread-self: its link ends with the id of the thread that reads it.
const threadSelf = '/proc/thread-self'
const priority = 10

// Most kernels of servers do not interrupt themselves: whoever waits for this processor, of whatever priority, waits for the end of
// the call, with a megabyte for three milliseconds.
const writeBytes = 64 * 1024

const hashes = new Map<number, Hash>()
/** What is read of files passes through it. */
let readBlock: Buffer | undefined

/** Whoever answers requests gets the processor first. On Linux alone a thread has a priority of its own. */
function stepBack(): void {
  if (process.platform !== 'linux') return
  setPriority(Number(readlinkSync(threadSelf).split('/').at(-1)), priority)
}

function answer(request: HashingRequest): HashingReply | undefined {
  const { id } = request
  switch (request.kind) {
    case 'begin':
      hashes.set(id, newHash(request.algorithm))
      return undefined
    case 'write':
      return write(request)
    case 'read':
      return read(request)
    case 'digest':
      return { id, hex: hashes.get(id)?.copy().digest('hex') }
    case 'end':
      hashes.delete(id)
  }
}

/** Into the hash goes only what is in the file: bytes that were refused come again. */
function write({ id, block, file, at }: BlockRequest): HashingReply {
  for (let done = 0; done < block.length; ) {
    done += writeSync(file, block, done, Math.min(block.length - done, writeBytes), at + done)
  }
  hashes.get(id)?.update(block)
  return { id }
}

function read({ id, file, at, length }: ReadRequest): HashingReply {
  readBlock ??= Buffer.allocUnsafeSlow(blockSize)
  for (let done = 0; done < length; ) {
    const count = readSync(file, readBlock, 0, Math.min(readBlock.length, length - done), at + done)
    if (count === 0) throw new Error(`the file ends at ${at + done}`)
    hashes.get(id)?.update(readBlock.subarray(0, count))
    done += count
  }
  return { id }
}

stepBack()
parentPort?.on('message', (request: HashingRequest) => {
  const reply = answerOrFail(request)
  if (reply) parentPort?.postMessage(reply)
})

function answerOrFail(request: HashingRequest): HashingReply | undefined {
  try {
    return answer(request)
  } catch (error) {
    // What is copied between threads loses its code.
    return { id: request.id, failure: { error, code: codeOf(error) } }
  }
}
