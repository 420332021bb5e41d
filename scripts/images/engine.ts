import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Platform } from './platforms.ts'
import { runTool } from './run-tool.ts'

/** Builds from the Dockerfile with the machine's Docker engine; gives the image's name, `<module>:<version>-<platform>`. */
export function buildWithEngine(root: string, module: string, { name }: Platform): string {
  const folder = join(root, 'modules', module)
  const { image } = JSON.parse(readFileSync(join(folder, 'module.json'), 'utf8'))
  const tag = `${module}:${image.tag.version}-${name}`
  const dockerfile = join(folder, image.tag.platforms[name])
  runTool('docker', ['build', '--rm', '--file', dockerfile, '--tag', tag, join(folder, image.contextPath)])
  return tag
}
