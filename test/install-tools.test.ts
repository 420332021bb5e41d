import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..')
const text = (path: string) => readFileSync(join(root, path), 'utf8')
/** In every Debian. */
const essential = ['sh', 'tar', 'perl']

test('every tool that a test asks for is installed by the script, so that CI loses no test unseen', () => {
  const asked = globSync('test/**/*.ts', { cwd: root, exclude: ['**/tools.test.ts'] }).flatMap((path) =>
    Array.from(text(path).matchAll(/\brequireTool\(\s*\w+,\s*'([\w-]+)'/g), ([, tool]) => tool!)
  )

  assert.notEqual(asked.length, 0)
  const known = [...installedTools(), ...essential]
  assert.deepEqual(
    asked.filter((tool) => !known.includes(tool)),
    []
  )
})

test('a test run names every installed tool that is missing', () => {
  const [, list = ''] = /^const externalTools = \[([^\]]*)\]/m.exec(text('scripts/test.ts')) ?? []
  const named = Array.from(list.matchAll(/'([\w-]+)'/g), ([, tool]) => tool)

  assert.deepEqual(named.sort(), installedTools().sort())
})

function installedTools(): string[] {
  const script = text('scripts/install-tools.sh')
  const [, packages = ''] = /^packages=\(([^)]*)\)/m.exec(script) ?? []
  const built = Array.from(script.matchAll(/^(?:programs|suites)=\(([^)]*)\)/gm), ([, list]) => list).join('\n')
  return [...packages.matchAll(/:([\w-]+)/g), ...built.matchAll(/^\s*([\w-]+)=/gm)].map(([, tool]) => tool!)
}
