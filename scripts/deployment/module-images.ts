import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { type Expansion, expandVariables, type Variables } from './variables.ts'

/** The part of a `module.json` that names its images. */
interface ModuleImage {
  readonly repository: string
  readonly tag: { readonly version: string; readonly platforms: Readonly<Record<string, string>> }
}

export interface ModuleImageOptions {
  /** The folder that holds a folder a module. */
  readonly modulesPath: string
  /** What `${MODULES.name}` and `${MODULES.name.debug}` stand for. */
  readonly platform: string
  readonly variables: Variables
}

/**
 * The image that `${MODULES.<placeholder>}` stands for: `<repository>:<version>-<platform>`, the repository in lower case.
 * `name` and `name.debug` mean the default platform. Throws an Error for a module or a platform that is not there.
 */
export function moduleImage(placeholder: string, { modulesPath, platform, variables }: ModuleImageOptions): Expansion {
  const [name = '', ...rest] = placeholder.split('.')
  const suffix = rest.join('.')
  const folder = join(modulesPath, name)
  const { repository, tag } = readModule(folder, name)
  const wanted = suffix === '' ? platform : suffix === 'debug' ? `${platform}.debug` : suffix
  if (!Object.hasOwn(tag.platforms, wanted)) {
    throw new Error(
      `${join(folder, 'module.json')} has no platform ${wanted}: ${Object.keys(tag.platforms).join(', ')}`
    )
  }
  const named = expandVariables(repository, { ...variables, ...readVariables(join(folder, '.env')) })
  // A name that stays is not a name any more in lower case.
  const text = named.unset.length > 0 ? named.text : named.text.toLowerCase()
  return { text: `${text}:${tag.version}-${wanted}`, unset: named.unset }
}

/** The variables of an `.env` file; none where there is no such file. */
export function readVariables(file: string): Variables {
  return existsSync(file) ? parseEnv(readFileSync(file, 'utf8')) : {}
}

function readModule(folder: string, name: string): ModuleImage {
  const file = join(folder, 'module.json')
  if (!existsSync(file)) throw new Error(`there is no module ${name}: ${file} is missing`)
  const { image } = JSON.parse(readFileSync(file, 'utf8'))
  if (typeof image?.repository !== 'string' || typeof image.tag?.version !== 'string' || !image.tag.platforms) {
    throw new Error(`${file} does not say image.repository, image.tag.version and image.tag.platforms`)
  }
  return image
}
