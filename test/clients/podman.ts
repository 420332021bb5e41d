import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { at, type Client, type ClientKind, createRun, type Run, type Surroundings } from './client.ts'
import { certificateFolder, trust } from './skopeo.ts'

export const podman: ClientKind = {
  name: 'podman',
  tools: ['podman', 'runc'],
  keepsBytes: false,
  open: (surroundings) => open('podman', surroundings)
}

export const buildah: ClientKind = {
  name: 'buildah',
  tools: ['buildah', 'runc'],
  keepsBytes: false,
  open: (surroundings) => open('buildah', surroundings)
}

/** Both have the same words, and a store of images below a folder. */
async function open(program: 'podman' | 'buildah', { folder, caFile }: Surroundings): Promise<Client> {
  const certificates = await certificateFolder(folder, caFile)
  const authFile = `--authfile=${join(folder, 'auth.json')}`
  const env = await ownEnvironment(folder)
  const storage = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs']
  const command = createRun(program, env)
  const run: Run = (words, input) => command([...storage, ...words], input)
  return {
    login(door, { name, password }) {
      const words = ['login', authFile, ...trust(door, certificates), `--username=${name}`, '--password-stdin']
      return run([...words, door.host], password)
    },
    pull: (door, reference) => run(['pull', '--quiet', authFile, ...trust(door, certificates), at(door, reference)]),
    push: (door, from, to) =>
      run(['push', '--quiet', authFile, ...trust(door, certificates), at(door, from), `docker://${at(door, to)}`])
  }
}

/** All below one folder. Works as root in a container, too: no limits above the usual ones, no systemd, no journal. */
export async function ownEnvironment(folder: string): Promise<Readonly<Record<string, string>>> {
  const configuration = join(folder, 'containers.conf')
  await mkdir(folder, { recursive: true })
  await writeFile(configuration, containersConf)
  return { CONTAINERS_CONF: configuration, HOME: folder, XDG_RUNTIME_DIR: folder }
}

const containersConf = `
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
`
