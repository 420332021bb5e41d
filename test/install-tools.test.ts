import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { debianPackages, goPrograms, mustHave } from './fixtures/tools.ts'

const root = join(import.meta.dirname, '..')
const text = (path: string) => readFileSync(join(root, path), 'utf8')
test('every tool that a test asks for is installed by the script, so that CI loses no test unseen', () => {
  const asked = globSync('test/**/*.ts', { cwd: root, exclude: ['**/tools.test.ts'] }).flatMap((path) =>
    askedIn(text(path))
  )

  assert.notEqual(asked.length, 0)
  const { built } = installed()
  assert.deepEqual(
    asked.filter((tool) => !mustHave(tool, { CI: 'true' }) && !built.includes(tool)),
    []
  )
})

test('what the fixtures know is what the script installs, package by package', () => {
  const { packages, built } = installed()

  assert.deepEqual(packages, debianPackages)
  assert.deepEqual([...built].sort(), goPrograms)
})

/** One tool by its name, or several as a list. */
function askedIn(source: string): readonly string[] {
  const single = source.matchAll(/\brequireTool\(\s*\w+,\s*('[\w-]+')/g)
  const lists = source.matchAll(/(?:\bskipWithout\(|\btools: )\[([^\]]*)\]/g)
  return [...single, ...lists].flatMap(([, names = '']) =>
    Array.from(names.matchAll(/'([\w-]+)'/g), ([, tool]) => tool!)
  )
}

function installed() {
  const list = (name: string) =>
    new RegExp(`^${name}=\\(([^)]*)\\)`, 'm').exec(text('scripts/install-tools.sh'))?.[1] ?? ''
  const packages = Array.from(list('packages').matchAll(/([\w.-]+):([\w-]+)/g), ([, name, tool]) => [tool, name])
  const lines = [...list('programs').split('\n'), ...list('built_in_module').split('\n')]
  const built = lines.flatMap((line) => /^\s*'?([\w-]+)=/.exec(line)?.[1] ?? [])
  return { packages: Object.fromEntries(packages), built }
}
