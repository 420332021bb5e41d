import { setPriority } from 'node:os'
import { openConnection } from '../connection.ts'
import { aBlob, type Blob, pushWhole } from '../registry-client.ts'

// A port, a repository and the header line that lets it push there are its arguments. It pushes as fast as it can until it is
// told anything, and tells when it begins, and in the end how many MiB a second it was.

const blobMebibytes = 16
const pushers = 2
// Whoever measures beside it gets the processor first: what waits for this client is not the registry's fault.
const priority = 10

const [port, repository = '', authorization = ''] = process.argv.slice(2)
setPriority(priority)
const blobs = Array.from({ length: 8 }, () => aBlob(blobMebibytes * 1024 * 1024))
let stopped = false
let pushed = 0

process.once('message', () => {
  stopped = true
})
const began = performance.now()
const all = Promise.all(Array.from({ length: pushers }, (_, pusher) => push(pusher)))
process.send?.('pushing')
await all
process.send?.((pushed * blobMebibytes * 1000) / (performance.now() - began))
process.disconnect?.()

async function push(first: number): Promise<void> {
  const connection = await openConnection(Number(port))
  for (let turn = first; !stopped; turn += pushers) {
    await pushWhole({ connection, repository, authorization }, blobs[turn % blobs.length] as Blob)
    pushed++
  }
  connection.close()
}
