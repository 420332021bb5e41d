import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { at, type ClientKind, createRun, type Door, tagFor } from './client.ts'

export const crane: ClientKind = {
  name: 'crane',
  tools: ['crane'],
  keepsBytes: true,
  async open({ folder, caFile }) {
    const env = { DOCKER_CONFIG: folder, SSL_CERT_FILE: caFile }
    const layout = (reference: string) => join(folder, tagFor(reference))
    const run = createRun('crane', env)
    const plain = (door: Door) => (door.isPlain ? ['--insecure'] : [])
    return {
      /** Asks nobody: what is wrong comes to light at the first request. */
      login: (door, { name, password }) =>
        run(['auth', 'login', door.host, `--username=${name}`, '--password-stdin'], password),
      async pull(door, reference) {
        // It adds to what is there.
        await rm(layout(reference), { recursive: true, force: true })
        await run(['pull', ...plain(door), '--format=oci', at(door, reference), layout(reference)])
      },
      push: (door, from, to) => run(['push', ...plain(door), layout(from), at(door, to)])
    }
  }
}
