import { cpSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { entriesBelow, type ImageEntry } from './entries.ts'
import { convertSources } from './javascript.ts'
import { runTool } from './run-tool.ts'

/** Read by npm to install a module's packages, and what the module says its version by. */
const manifests = ['package.json', 'package-lock.json', '.npmrc']

export interface ApplicationOptions {
  /** The repository's root. */
  readonly root: string
  readonly module: string
  /** Below the root; one for each module whose sources the image holds. */
  readonly sources: readonly string[]
  /** Where the image holds it, without a leading slash. */
  readonly prefix: string
  /** To work in; empty. */
  readonly folder: string
}

export interface Application {
  readonly dependencies: readonly ImageEntry[]
  readonly sources: readonly ImageEntry[]
  /** Its packages as npm lists them, in SPDX's form. */
  readonly spdx: Spdx
}

export interface Spdx {
  readonly packages: readonly SpdxPackage[]
  readonly relationships: readonly unknown[]
  readonly documentDescribes: readonly string[]
  readonly [key: string]: unknown
}

export interface SpdxPackage {
  readonly name: string
  readonly SPDXID: string
  readonly versionInfo: string
  readonly [key: string]: unknown
}

/** A module's sources, as JavaScript, and its production dependencies, at the versions of the lock file. No package runs a script. */
export function bringApplication({ root, module, sources, prefix, folder }: ApplicationOptions): Application {
  const workspace = ['--omit=dev', '--workspace', `modules/${module}`]
  const workspaces = ['connected-registry', 'api-proxy', 'edge-module'].map((name) => `modules/${name}/package.json`)
  for (const file of [...manifests, ...workspaces]) copy(root, folder, file)
  runTool('npm', ['ci', '--ignore-scripts', ...workspace], folder)
  const spdx: Spdx = JSON.parse(
    runTool('npm', ['sbom', '--sbom-format=spdx', '--package-lock-only', ...workspace], folder)
  )
  const dependencies = entriesBelow(folder, prefix)
  for (const source of sources) copy(root, folder, source)
  for (const source of sources) convertSources(join(folder, source))
  const own = sources.flatMap((source) => entriesBelow(join(folder, source), join(prefix, source)))
  return { dependencies, sources: own, spdx }
}

function copy(root: string, folder: string, path: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  cpSync(join(root, path), join(folder, path), { recursive: true })
}
