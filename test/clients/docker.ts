import { join } from 'node:path'
import { at, type Client, type ClientKind, createRun, type Run, type Surroundings } from './client.ts'
import { startServer } from './server.ts'

/** Docker's client with an engine of its own. Registries on the loopback are trusted by any engine, whoever signed for them. */
export const docker: ClientKind = {
  name: 'docker',
  tools: ['docker', 'dockerd', 'runc'],
  needsRoot: true,
  keepsBytes: false,
  open: openDocker
}

export interface Docker extends Client {
  readonly run: Run
  stop(): Promise<void>
}

export async function openDocker({ folder }: Surroundings): Promise<Docker> {
  const socket = `unix://${join(folder, 'docker.sock')}`
  const engine = await startServer({ program: 'dockerd', words: engineOptions(folder, socket), ready: /API listen on/ })
  // Its newer builder is a plugin, which not every installation has.
  const env = { DOCKER_HOST: socket, DOCKER_CONFIG: join(folder, 'config'), DOCKER_BUILDKIT: '0' }
  const run = createRun('docker', env)
  return {
    run,
    login: (door, { name, password }) => run(['login', `--username=${name}`, '--password-stdin', door.host], password),
    pull: (door, reference) => run(['pull', '--quiet', at(door, reference)]),
    async push(door, from, to) {
      await run(['tag', at(door, from), at(door, to)])
      await run(['push', at(door, to)])
    },
    stop: () => engine.stop()
  }
}

/** No bridge, no rule in any firewall, no folder but its own. */
function engineOptions(folder: string, socket: string): readonly string[] {
  const places = [
    ...['--host', socket, '--pidfile', join(folder, 'engine.pid')],
    ...['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')]
  ]
  const network = ['--bridge=none', '--iptables=false', '--ip6tables=false']
  return [...places, ...network, '--storage-driver=vfs', '--default-ulimit=nofile=1024:1024']
}
