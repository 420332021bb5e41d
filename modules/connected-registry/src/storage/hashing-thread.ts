import type { Hash } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { newHash } from '../protocol/digest.ts'
import type { HashingReply, HashingRequest } from './hashing.ts'

// The worker thread that hashes what uploads bring, from memory that it shares with the thread that gathers it.

// proc(5), /proc/thread-self: its link ends with the id of the thread that reads it.
const threadSelf = '/proc/thread-self'
const priority = 10

const hashes = new Map<number, Hash>()

/** Whoever answers requests gets the processor first. On Linux alone a thread has a priority of its own. */
function stepBack(): void {
  if (process.platform !== 'linux') return
  setPriority(Number(readlinkSync(threadSelf).split('/').at(-1)), priority)
}

function answer(request: HashingRequest): HashingReply | undefined {
  const { id } = request
  const hash = hashes.get(id) ?? newHash('sha256')
  switch (request.kind) {
    case 'update':
      hashes.set(id, hash.update(request.block))
      return { id }
    case 'digest':
      return { id, hex: hash.copy().digest('hex') }
    case 'end':
      hashes.delete(id)
  }
}

stepBack()
parentPort?.on('message', (request: HashingRequest) => {
  const reply = answer(request)
  if (reply) parentPort?.postMessage(reply)
})
