import { execFile, spawn } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { startServer } from '../../clients/server.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..', '..')
const patienceMs = 120_000

export interface ComposedWorld {
  /** Resolves with the first line of a service's log that fits. */
  line(service: string, pattern: RegExp): Promise<string>
  /** What the health check of a module's image says in its container; rejects where that is not well. */
  check(module: string): Promise<string>
  /** Runs a program where the published ports are: in the engine's network. */
  run(program: string, words: readonly string[]): Promise<string>
}

/**
 * compose.yaml in a Docker engine of its own, in a network of its own, so that no port and no rule of this machine is touched.
 * `archives`: of the images. `password`: the client's.
 */
export async function startComposedWorld(
  t: TestContext,
  {
    folder,
    archives,
    password
  }: { readonly folder: string; readonly archives: readonly string[]; readonly password: string }
): Promise<ComposedWorld> {
  await mkdir(folder)
  const socket = `unix://${join(folder, 'docker.sock')}`
  const pidFile = join(folder, 'engine.pid')
  const places = ['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')]
  const words = ['--host', socket, '--pidfile', pidFile, ...places, '--default-ulimit', 'nofile=1024:1024']
  const inside = 'ip link set lo up && exec dockerd "$@"'
  const engine = await startServer({
    program: 'unshare',
    words: ['--net', 'sh', '-c', inside, 'dockerd', ...words],
    ready: /API listen on/
  })
  const env = { ...process.env, DOCKER_HOST: socket, DOCKER_CONFIG: join(folder, 'config'), CLIENT_PASSWORD: password }
  const options = { env, timeout: patienceMs }
  const compose = ['--file', join(root, 'compose.yaml'), '--project-name', 'site']
  const down = () => run('docker-compose', [...compose, 'down', '--volumes', '--timeout', '20'], options)
  t.after(() => down().finally(() => engine.stop()))
  for (const archive of archives) await run('docker', ['load', '--quiet', '--input', archive], options)
  await run('docker-compose', [...compose, 'up', '--detach'], options)
  const network = `--net=/proc/${(await readFile(pidFile, 'utf8')).trim()}/ns/net`

  return {
    async line(service, pattern) {
      const words = [...compose, 'logs', '--follow', '--no-color', service]
      const following = spawn('docker-compose', words, { ...options, stdio: ['ignore', 'pipe', 'ignore'] })
      try {
        for await (const line of createInterface({ input: following.stdout })) if (pattern.test(line)) return line
      } finally {
        following.kill()
      }
      throw new Error(`${service} never said ${pattern}`)
    },
    async check(module) {
      const words = [...compose, 'exec', '-T', module, 'node', `modules/${module}/src/health-check.js`]
      return (await run('docker-compose', words, options)).stdout
    },
    run: async (program, words) => (await run('nsenter', [network, program, ...words], options)).stdout
  }
}
