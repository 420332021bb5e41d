import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePorts } from '../../test/fixtures/ports.ts'
import {
  createModuleProcess,
  type ModuleProcess,
  type ModuleProcessOptions
} from '../../test/simulators/module-process.ts'

export interface OurModuleOptions {
  /** Holds its store and its settings. */
  readonly folder: string
  readonly settings: object
  /** A free one where left out. */
  readonly port?: number | undefined
  /** Beside the port and the places. */
  readonly environment?: Readonly<Record<string, string>>
  readonly command?: ModuleProcessOptions['command']
  /** Default: from its sources as they are. */
  readonly create?: ((options: ModuleProcessOptions) => ModuleProcess) | undefined
}

/** This registry as a process of its own, standalone and not started yet. */
export async function createOurModule(options: OurModuleOptions): Promise<{ module: ModuleProcess; port: number }> {
  const { folder, settings, port = (await freePorts(1))[0] ?? 0, environment, command } = options
  const { create = createModuleProcess } = options
  await mkdir(folder, { recursive: true })
  await writeOurSettings(folder, settings)
  const module = create({
    name: 'connected-registry',
    main: new URL('../../modules/connected-registry/src/main.ts', import.meta.url),
    environment: {
      ACR_REGISTRY_HOST: '127.0.0.1',
      ACR_REGISTRY_PORT: String(port),
      ACR_REGISTRY_DATA_VOLUME: join(folder, 'data'),
      ACR_REGISTRY_SETTINGS: settingsFile(folder),
      NODE_ENV: 'production',
      ...environment
    },
    ready: 'registry started',
    command
  })
  return { module, port }
}

/** A module that runs takes them within seconds. */
export async function writeOurSettings(folder: string, settings: object): Promise<void> {
  await writeFile(settingsFile(folder), JSON.stringify(settings))
}

function settingsFile(folder: string): string {
  return join(folder, 'settings.json')
}
