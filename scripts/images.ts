import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildLayout } from './images/build.ts'
import { buildWithEngine } from './images/engine.ts'
import { platforms } from './images/platforms.ts'
import { bringRuntime } from './images/runtime.ts'

const usage = `npm run images -- [options]

Builds the images of both modules.

  --platform A,B    amd64, arm64v8 (default: both)
  --output FOLDER   where the OCI image layouts go, a folder each (default: images)
  --docker          build from the Dockerfiles with a Docker engine instead, into its own store

Without an engine it takes Node from the npm registry and its libraries from Debian's packages, so it needs apt-get.
`

const root = join(import.meta.dirname, '..')
const modules = ['connected-registry', 'api-proxy']

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      platform: { type: 'string' },
      output: { type: 'string', default: 'images' },
      docker: { type: 'boolean', default: false }
    }
  })
  if (values.help) {
    console.log(usage)
    return
  }
  const chosen = choose(values.platform)
  if (values.docker) {
    for (const module of modules) for (const platform of chosen) console.log(buildWithEngine(root, module, platform))
  } else await buildLayouts(chosen, values.output)
}

async function buildLayouts(chosen: typeof platforms, folder: string): Promise<void> {
  const runtimes = []
  for (const platform of chosen) runtimes.push(await bringRuntime(platform, nodeVersion()))
  for (const module of modules) {
    const output = join(folder, module)
    for (const { platform, digest, sizeBytes } of await buildLayout({ root, module, runtimes, output })) {
      console.log(`${output}  ${platform.name}  ${digest}  ${(sizeBytes / 1e6).toFixed(1)} MB`)
    }
  }
}

function choose(names: string | undefined): typeof platforms {
  if (names === undefined) return platforms
  return names.split(',').map((name) => {
    const found = platforms.find((platform) => platform.name === name)
    if (!found) throw new Error(`--platform ${name}: must be one of ${platforms.map(({ name }) => name).join(', ')}`)
    return found
  })
}

/** The one that the tests ran with. */
function nodeVersion(): string {
  return JSON.parse(readFileSync(join(root, 'node_modules', 'node', 'package.json'), 'utf8')).version
}

await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
