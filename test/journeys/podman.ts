import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { requireTool } from '../fixtures/tools.ts'
import type { Journey } from './journey.ts'

const run = promisify(execFile)

/**
 * Pulls an image through the door into a store of its own and runs it; what it printed. Undefined: there is no podman here,
 * and the test is skipped.
 */
export async function runImage(
  t: TestContext,
  { world, folder }: Journey,
  reference: string
): Promise<string | undefined> {
  if (!requireTool(t, 'podman') || !requireTool(t, 'runc')) return undefined
  const home = join(folder, 'podman')
  const certificates = join(folder, 'skopeo-certificates')
  await mkdir(home)
  await writeFile(join(home, 'containers.conf'), configuration)
  const storage = ['--root', join(home, 'root'), '--runroot', join(home, 'run'), '--storage-driver', 'vfs']
  const env = { ...process.env, CONTAINERS_CONF: join(home, 'containers.conf'), HOME: home, XDG_RUNTIME_DIR: home }
  const podman = async (...words: readonly string[]) =>
    (await run('podman', [...storage, ...words], { env, timeout: 60_000 })).stdout

  const { name, password } = world.clientToken
  const image = `${new URL(world.proxyUrl).host}/${reference}`
  await podman('pull', '--quiet', '--cert-dir', certificates, '--creds', `${name}:${password}`, image)
  return podman('run', '--rm', '--network', 'none', image)
}

/** Works as root in a container, too: no limits above the usual ones, no systemd, no journal. */
const configuration = `
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
`
