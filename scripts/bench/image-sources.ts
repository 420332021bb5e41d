import { cpSync, mkdirSync, mkdtempSync, symlinkSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import {
  createModuleProcess,
  type ModuleProcess,
  type ModuleProcessOptions
} from '../../test/simulators/module-process.ts'
import { convertSources } from '../images/javascript.ts'

/** The modules' sources as images hold them, for processes that are to hold what a device's hold. */
export interface ImageSources {
  /** As `createModuleProcess`. */
  module(options: ModuleProcessOptions): ModuleProcess
  close(): Promise<void>
}

const root = fileURLToPath(new URL('../..', import.meta.url))

/** In a folder of its own, from where the repository's packages are found. */
export function bringImageSources(): ImageSources {
  const cache = join(root, 'node_modules', '.cache')
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'sources-'))
  for (const name of ['connected-registry', 'api-proxy', 'edge-module']) bring(name, folder)
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync('../modules', join(folder, 'node_modules', '@connected-registry'))
  return {
    module({ main, environment, ...options }) {
      const converted = join(folder, 'modules', options.name, 'src', basename(main.pathname).replace(/\.ts$/, '.js'))
      return createModuleProcess({
        ...options,
        main: pathToFileURL(converted),
        // Images keep nothing compiled.
        environment: { NODE_COMPILE_CACHE: '', ...environment }
      })
    },
    close: () => rm(folder, { recursive: true })
  }
}

function bring(name: string, folder: string): void {
  const [from, to] = [join(root, 'modules', name), join(folder, 'modules', name)]
  cpSync(join(from, 'src'), join(to, 'src'), { recursive: true })
  cpSync(join(from, 'package.json'), join(to, 'package.json'))
  convertSources(join(to, 'src'))
}
