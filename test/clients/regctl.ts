import { join } from 'node:path'
import { at, type ClientKind, createRun, tagFor } from './client.ts'

export const regctl: ClientKind = {
  name: 'regctl',
  tools: ['regctl'],
  keepsBytes: true,
  async open({ folder, caFile }) {
    const env = { REGCTL_CONFIG: join(folder, 'config.json'), DOCKER_CONFIG: folder, SSL_CERT_FILE: caFile }
    const layout = (reference: string) => `ocidir://${join(folder, 'layout')}:${tagFor(reference)}`
    const run = createRun('regctl', env)
    return {
      async login(door, { name, password }) {
        await run(['registry', 'set', '--skip-check', '--tls', door.isPlain ? 'disabled' : 'enabled', door.host])
        await run(['registry', 'login', door.host, `--user=${name}`, '--pass-stdin'], password)
      },
      pull: (door, reference) => run(['image', 'copy', at(door, reference), layout(reference)]),
      push: (door, from, to) => run(['image', 'copy', layout(from), at(door, to)])
    }
  }
}
