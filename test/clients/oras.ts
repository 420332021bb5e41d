import { join } from 'node:path'
import { at, type ClientKind, createRun, type Door, tagFor } from './client.ts'

export const oras: ClientKind = {
  name: 'oras',
  tools: ['oras'],
  keepsBytes: true,
  async open({ folder, caFile }) {
    const env = { DOCKER_CONFIG: folder, SSL_CERT_FILE: caFile }
    const layout = (reference: string) => `${join(folder, 'layout')}:${tagFor(reference)}`
    const plain = (door: Door, prefix = '') => (door.isPlain ? [`--${prefix}plain-http`] : [])
    const run = createRun('oras', env)
    return {
      login: (door, { name, password }) =>
        run(['login', ...plain(door), `--username=${name}`, '--password-stdin', door.host], password),
      pull: (door, reference) =>
        run(['copy', ...plain(door, 'from-'), '--to-oci-layout', at(door, reference), layout(reference)]),
      push: (door, from, to) => run(['copy', '--from-oci-layout', ...plain(door, 'to-'), layout(from), at(door, to)])
    }
  }
}
