import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { at, type Client, type ClientKind, createRun, type Door, type Run, type Surroundings } from './client.ts'
import { startServer } from './server.ts'

/** containerd by its own client, with an engine of its own. */
export const containerd: ClientKind = {
  name: 'containerd',
  tools: ['ctr', 'containerd', 'runc'],
  needsRoot: true,
  keepsBytes: true,
  refusal: /403 Forbidden/,
  open: openContainerd
}

export interface Containerd extends Client {
  readonly run: Run
  /** Pushes, and resolves to its record of all requests and answers. */
  pushRecorded(door: Door, from: string, to: string): Promise<string>
  stop(): Promise<void>
}

export async function openContainerd({ folder, caFile }: Surroundings): Promise<Containerd> {
  const socket = join(folder, 'containerd.sock')
  const configuration = join(folder, 'config.toml')
  await writeFile(configuration, configurationOf(folder, socket))
  const words = ['--config', configuration]
  const engine = await startServer({ program: 'containerd', words, ready: /containerd successfully booted/ })
  const credentials = new Map<string, string>()
  const ctr = createRun('ctr')
  const recorded = createRun('ctr', {}, 'stderr')
  const run: Run = (words) => ctr(['--address', socket, ...words])
  const hosts = join(folder, 'hosts')
  const access = (door: Door) => ['--hosts-dir', hosts, '--user', credentials.get(door.host) ?? '']
  return {
    run,
    /** It has no login of its own: each command is told. */
    async login(door, { name, password }) {
      credentials.set(door.host, `${name}:${password}`)
      await mkdir(join(hosts, door.host), { recursive: true })
      await writeFile(join(hosts, door.host, 'hosts.toml'), hostOf(door, caFile))
    },
    pull: (door, reference) => run(['images', 'pull', '--all-platforms', ...access(door), at(door, reference)]),
    push: (door, from, to) => run(['images', 'push', ...access(door), at(door, to), at(door, from)]),
    pushRecorded: (door, from, to) =>
      recorded(['--address', socket, 'images', 'push', '--http-dump', ...access(door), at(door, to), at(door, from)]),
    stop: () => engine.stop()
  }
}

/** No folder and no socket but its own; Kubernetes' interface, which wants a network, stays out. */
function configurationOf(folder: string, socket: string): string {
  return `
version = 2
root = ${JSON.stringify(join(folder, 'root'))}
state = ${JSON.stringify(join(folder, 'state'))}
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = ${JSON.stringify(socket)}
`
}

/** It takes a registry on the loopback for one in plain HTTP, and asks nobody whom to trust. */
function hostOf({ host, isPlain }: Door, caFile: string): string {
  const server = JSON.stringify(`${isPlain ? 'http' : 'https'}://${host}`)
  return `
server = ${server}
[host.${server}]
ca = ${JSON.stringify(caFile)}
`
}
