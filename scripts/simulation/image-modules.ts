import { existsSync, readFileSync } from 'node:fs'
import { arch } from 'node:os'
import { join } from 'node:path'
import { findTool } from '../../test/fixtures/tools.ts'
import { createModuleContainer } from '../../test/simulators/module-container.ts'
import type { ModuleProcess, ModuleProcessOptions } from '../../test/simulators/module-process.ts'

interface Index {
  readonly manifests: readonly { readonly annotations?: Readonly<Record<string, string>> }[]
}

/**
 * Runs modules from what `npm run images` wrote, each by runc in the root file system of its image. `images`: the folder of the
 * layouts; `folder`: to unpack them in. Throws an Error that says what is missing.
 */
export function modulesFromImages(images: string, folder: string): (options: ModuleProcessOptions) => ModuleProcess {
  if (process.getuid?.() !== 0) throw new Error('modules run from images as root only')
  for (const tool of ['umoci', 'runc']) if (!findTool(tool)) throw new Error(`${tool} is not on the PATH`)
  return ({ name, environment, folders = [], ready }) => {
    const image = `${join(images, name)}:${tagHere(join(images, name))}`
    const mounts = folders.map((source) => ({ source, destination: source }))
    return createModuleContainer({ name, image, folder, environment, mounts, ready })
  }
}

/** Each platform's image has a tag of its own, as `module.json` names it. */
function tagHere(layout: string): string {
  const file = join(layout, 'index.json')
  if (!existsSync(file)) throw new Error(`there is no image in ${layout}: npm run images`)
  const { manifests }: Index = JSON.parse(readFileSync(file, 'utf8'))
  const platform = arch() === 'arm64' ? 'arm64v8' : 'amd64'
  const tags = manifests.flatMap(({ annotations }) => annotations?.['org.opencontainers.image.ref.name'] ?? [])
  const tag = tags.find((name) => name.endsWith(`-${platform}`))
  if (tag === undefined) throw new Error(`there is no image for ${platform} in ${layout}: npm run images`)
  return tag
}
