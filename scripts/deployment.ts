import { globSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { type DeploymentArguments, readArguments, usage } from './deployment/arguments.ts'
import { expandTemplate, type Manifest } from './deployment/expand.ts'
import { moduleImage, readVariables } from './deployment/module-images.ts'
import { twinProblems } from './deployment/twin-size.ts'
import { manifestProblems, templateProblems } from './deployment/validate.ts'

// npm run deployment [-- template or folder ...]: templates into manifests, see `usage`. Exit code 1: something is wrong, and
// nothing was written for that template.

const suffix = '.template.json'

function main(arguments_: DeploymentArguments): void {
  const variables = { ...readVariables('.env'), ...process.env }
  const platform = arguments_.platform ?? variables.DEFAULT_PLATFORM ?? 'amd64'
  const modulesPath = variables.MODULES_PATH ?? 'modules'
  const imageOf = (placeholder: string) => moduleImage(placeholder, { modulesPath, platform, variables })
  for (const template of arguments_.places.flatMap(templatesAt)) {
    const target = targetOf(template, platform, arguments_.output)
    const problems = attempt(() => {
      const document = JSON.parse(readFileSync(template, 'utf8'))
      const { manifest, unset } = expandTemplate(document, { variables, imageOf })
      const missing = arguments_.allowUnset
        ? []
        : unset.map((name) => `${name} has no value in .env or the environment`)
      const found = [
        ...templateProblems(document),
        ...missing,
        ...manifestProblems(manifest),
        ...twinProblems(manifest)
      ]
      if (found.length === 0) write(target, manifest)
      return found
    })
    report(template, target, problems)
  }
}

function templatesAt(place: string): readonly string[] {
  if (!statSync(place, { throwIfNoEntry: false })) throw new Error(`there is no ${place}`)
  if (!statSync(place).isDirectory()) return [place]
  const found = globSync(`*${suffix}`, { cwd: place }).sort()
  if (found.length === 0) throw new Error(`there is no *${suffix} in ${place}`)
  return found.map((name) => join(place, name))
}

/** `nested-edge/layer5.template.json` -> `config/nested-edge/layer5.amd64.json`; elsewhere than here, the name alone counts. */
function targetOf(template: string, platform: string, output: string): string {
  const folder = relative('.', dirname(template))
  const name = `${basename(template).replace(/(\.template)?\.json$/, '')}.${platform}.json`
  return join(output, folder.startsWith('..') ? '' : folder, name)
}

/** What went wrong is one more problem of the template. */
function attempt(work: () => readonly string[]): readonly string[] {
  try {
    return work()
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]
  }
}

// The manifest holds passwords: nobody else may read it.
function write(target: string, manifest: Manifest): void {
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 })
}

function report(template: string, target: string, problems: readonly string[]): void {
  if (problems.length === 0) {
    console.log(`${template} -> ${target}`)
    return
  }
  console.error([`${template}: not expanded`, ...problems].join('\n  '))
  process.exitCode = 1
}

try {
  const arguments_ = readArguments(process.argv.slice(2))
  if (arguments_.help) console.log(usage)
  else main(arguments_)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 2
}
