import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { chown, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { followProgram, type ModuleProcess } from './module-process.ts'

const run = promisify(execFile)
const unpackMs = 120_000

/** A folder of the machine in the place of one of the container's; the container's user may write there. */
export interface Mount {
  readonly source: string
  readonly destination: string
}

export interface ModuleContainerOptions {
  readonly name: string
  /** An OCI image layout and a tag in it, as `folder:tag`. */
  readonly image: string
  /** Holds the unpacked image and the runtime's state. */
  readonly folder: string
  readonly environment: Readonly<Record<string, string>>
  readonly mounts: readonly Mount[]
  /** The message of the line that says it serves. */
  readonly ready: string
}

/**
 * A module from the root file system of its image, by runc: as the image's own user, read-only but for its mounts, in the
 * machine's network. Needs root, umoci and runc.
 */
export function createModuleContainer(options: ModuleContainerOptions): ModuleProcess {
  const { name, image, folder, ready } = options
  const bundle = join(folder, name)
  const runc = ['--root', join(folder, 'runc')]
  // A control group is named after it, on the whole machine.
  const id = `${name}-${randomUUID().slice(0, 8)}`
  let isUnpacked = false

  async function prepare(): Promise<void> {
    if (isUnpacked) return
    await rm(bundle, { recursive: true, force: true })
    await mkdir(folder, { recursive: true })
    await run('umoci', ['unpack', '--image', image, bundle], { timeout: unpackMs })
    await configure(bundle, options)
    isUnpacked = true
  }

  return followProgram(name, ready, {
    prepare,
    run: () => spawn('runc', [...runc, 'run', '--bundle', bundle, id], { stdio: ['ignore', 'pipe', 'pipe'] }),
    signal(child, signal) {
      // runc hands signals on, but of SIGKILL it would die alone.
      if (signal !== 'SIGKILL') child.kill(signal)
      else spawn('runc', [...runc, 'kill', id, 'KILL'], { stdio: 'ignore' })
    }
  })
}

/** The fields of runc's configuration that are changed here. */
interface Specification {
  readonly process: { terminal: boolean; readonly env: string[]; readonly user: { readonly uid: number } }
  readonly root: { readonly: boolean }
  readonly linux: { namespaces: readonly { readonly type: string }[] }
  mounts: readonly { readonly type: string; readonly destination: string }[]
}

async function configure(bundle: string, { environment, mounts }: ModuleContainerOptions): Promise<void> {
  const file = join(bundle, 'config.json')
  const specification: Specification = JSON.parse(await readFile(file, 'utf8'))
  const { process, linux, root } = specification
  process.terminal = false
  process.env.push(...Object.entries(environment).map(([name, value]) => `${name}=${value}`))
  root.readonly = true
  linux.namespaces = linux.namespaces.filter(({ type }) => type !== 'network')
  const taken = new Set(mounts.map(({ destination }) => destination))
  specification.mounts = [
    ...specification.mounts.filter(({ type, destination }) => type !== 'cgroup' && !taken.has(destination)),
    ...mounts.map(({ source, destination }) => ({ destination, type: 'bind', source, options: ['bind', 'rw'] }))
  ]
  for (const { source } of mounts) await give(source, process.user.uid)
  await writeFile(file, JSON.stringify(specification))
}

/** What an earlier run as root left belongs to the container's user as well. */
async function give(folder: string, user: number): Promise<void> {
  await mkdir(folder, { recursive: true })
  await chown(folder, user, user)
  for (const name of await readdir(folder, { recursive: true })) await chown(join(folder, name), user, user)
}
