import { execFile } from 'node:child_process'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { ownEnvironment } from '../clients/podman.ts'
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
  const storage = ['--root', join(home, 'root'), '--runroot', join(home, 'run'), '--storage-driver', 'vfs']
  const env = { ...process.env, ...(await ownEnvironment(home)) }
  const podman = async (...words: readonly string[]) =>
    (await run('podman', [...storage, ...words], { env, timeout: 60_000 })).stdout

  const { name, password } = world.clientToken
  const image = `${new URL(world.proxyUrl).host}/${reference}`
  await podman('pull', '--quiet', '--cert-dir', certificates, '--creds', `${name}:${password}`, image)
  return podman('run', '--rm', '--network', 'none', image)
}
