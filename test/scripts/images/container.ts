import { execFile, spawn } from 'node:child_process'
import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface ContainerOptions {
  /** An OCI image layout and a tag in it. */
  readonly image: string
  /** To work in. */
  readonly folder: string
  readonly name: string
  readonly environment: Readonly<Record<string, string>>
  /** Where the image wants to write; everything else is read-only. */
  readonly volume?: string
  /** What lies in the volume at the start, by name. */
  readonly files?: Readonly<Record<string, string>>
}

export interface Container {
  /** What it wrote, so far. */
  output(): string
  /** Resolves with the exit code. */
  stop(): Promise<number | null>
}

/** Runs an image by runc from its unpacked root file system: its own user, read-only, in the machine's network. */
export async function runContainer(t: TestContext, options: ContainerOptions): Promise<Container> {
  const { image, folder, name } = options
  const bundle = join(folder, name)
  await run('umoci', ['unpack', '--image', image, bundle], { timeout: 120_000 })
  configure(bundle, options)
  const runc = ['--root', join(folder, 'runc')]
  const child = spawn('runc', [...runc, 'run', '--bundle', bundle, name], { stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
  }
  t.after(async () => {
    if (child.exitCode === null) await run('runc', [...runc, 'delete', '--force', name])
    await exited
  })
  return {
    output: () => text,
    async stop() {
      child.kill('SIGTERM')
      return exited
    }
  }
}

interface Specification {
  readonly process: { terminal: boolean; readonly env: string[]; readonly user: { readonly uid: number } }
  readonly root: { readonly: boolean }
  readonly linux: { namespaces: readonly { readonly type: string }[] }
  mounts: readonly { readonly type: string; readonly destination: string }[]
}

function configure(bundle: string, { environment, volume, files = {} }: ContainerOptions): void {
  const file = join(bundle, 'config.json')
  const specification: Specification = JSON.parse(readFileSync(file, 'utf8'))
  specification.process.terminal = false
  specification.process.env.push(...Object.entries(environment).map(([name, value]) => `${name}=${value}`))
  specification.root.readonly = true
  specification.linux.namespaces = specification.linux.namespaces.filter(({ type }) => type !== 'network')
  specification.mounts = specification.mounts.filter(
    ({ type, destination }) => type !== 'cgroup' && destination !== volume
  )
  if (volume) {
    const source = join(bundle, 'volume')
    mkdirSync(source)
    chownSync(source, specification.process.user.uid, specification.process.user.uid)
    for (const [name, content] of Object.entries(files)) writeFileSync(join(source, name), content)
    const mount = { destination: volume, type: 'bind', source, options: ['bind', 'rw'] }
    specification.mounts = [...specification.mounts, mount]
  }
  writeFileSync(file, JSON.stringify(specification))
}
