import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { basename, join } from 'node:path'

// Run by the Dockerfiles as well, alone: `javascript.mts <folder>...`. So it imports nothing of ours.

const imports = /(\b(?:from|import)\s*\(?\s*|\bnew URL\(\s*)'([^'\n]+)\.ts'/g

/**
 * A source as an image holds it: types are blanked out, so that every line and column stays what it is, and what it imports ends
 * in `.js`. Node would blank it out by itself, but its compiler takes 25 MiB at the start.
 */
export function javascriptOf(source: string): string {
  return stripTypeScriptTypes(source).replaceAll(imports, "$1'$2.js'")
}

/** Every `.ts` below the folder becomes a `.js`; a `main.ts` leads to it, for that is the command which operators know. */
export function convertSources(folder: string): void {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  for (const path of names.map((name) => join(folder, name))) {
    writeFileSync(path.replace(/\.ts$/, '.js'), javascriptOf(readFileSync(path, 'utf8')))
    if (basename(path) === 'main.ts') writeFileSync(path, "import './main.js'\n")
    else rmSync(path)
  }
}

if (import.meta.main) process.argv.slice(2).forEach(convertSources)
