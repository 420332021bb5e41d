import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isPortFree } from '../../test/fixtures/ports.ts'
import type { World } from '../../test/simulators/world.ts'

export const folder: string = join(process.cwd(), '.simulation')
export const worldFile: string = join(folder, 'world.json')
const processFile = join(folder, 'process')

/** Takes the folder for this simulation; what was in it goes where a fresh one is wanted. Throws an Error that says what is in the way. */
export async function takeGround(ports: readonly number[], fresh: boolean): Promise<void> {
  await requirePorts(ports)
  await requireFolder()
  if (fresh) await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  await writeFile(processFile, String(process.pid))
}

export async function leaveGround(): Promise<void> {
  await rm(processFile, { force: true })
}

/** Full URLs of everything there is, for tools and tests, as long as the simulation runs. The first layer has the cloud. */
export async function tellWorld(layers: readonly [NamedWorld, ...NamedWorld[]]): Promise<void> {
  const { cloud, syncToken } = layers[0].world
  const description = {
    cloud: cloud && {
      loginServer: cloud.url,
      dataEndpoint: `http://${cloud.dataEndpoint}`,
      username: 'admin',
      password: syncToken.password
    },
    layers: layers.map(({ name, world: { registryUrl, proxyUrl, caFile, clientToken } }) => ({
      name,
      registry: registryUrl,
      proxy: proxyUrl,
      caFile,
      clientToken
    }))
  }
  await writeFile(worldFile, `${JSON.stringify(description, undefined, 2)}\n`, { mode: 0o600 })
}

interface NamedWorld {
  readonly name: string
  readonly world: World
}

/** One simulation a folder: another one would take its certificates and its data from it. */
async function requireFolder(): Promise<void> {
  const other = Number(await readFile(processFile, 'utf8').catch(() => ''))
  if (other > 0 && isRunning(other)) throw new Error(`a simulation is running in this folder already: process ${other}`)
}

function isRunning(other: number): boolean {
  try {
    return process.kill(other, 0)
  } catch {
    return false
  }
}

async function requirePorts(ports: readonly number[]): Promise<void> {
  for (const port of new Set(ports)) {
    if (!(await isPortFree(port))) throw new Error(`port ${port} is taken; choose others with --port-base N`)
  }
}
