import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { bringImageSources } from '../../../scripts/bench/image-sources.ts'
import { createOurModule } from '../../../scripts/bench/our-module.ts'
import { convertSources, javascriptOf } from '../../../scripts/images/javascript.ts'
import { temporaryFolder } from '../../connected-registry/storage/temporary-folder.ts'

test('types are blanked out, imports end in .js, and all else stays where it was', () => {
  const source = `import { a } from './a.ts'
import type { B } from './b.ts'
const later = (name: string) => import('./later.ts')
new Worker(new URL('./thread.ts', import.meta.url))
throw new Error(\`of \${a as B}.ts\`)
`

  const lines = javascriptOf(source).split('\n')

  assert.deepEqual(
    lines.map((line) => line.trimEnd()),
    [
      "import { a } from './a.js'",
      '',
      "const later = (name        ) => import('./later.js')",
      "new Worker(new URL('./thread.js', import.meta.url))",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a source.
      'throw new Error(`of ${a     }.ts`)',
      ''
    ]
  )
})

test('what operators call by main.ts is there by that name, and leads to what has no types', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'main.ts'), 'const answer: string = process.argv[2] ?? ""\nconsole.log(answer)\n')

  convertSources(folder)

  const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'main.ts'), 'help'])
  assert.equal(stdout, 'help\n')
  assert.deepEqual(await readdir(folder), ['main.js', 'main.ts'])
})

test('a registry runs from its sources as images hold them, with no TypeScript left in them', async (t) => {
  const sources = bringImageSources()
  t.after(() => sources.close())
  const environment = { NODE_OPTIONS: '--no-strip-types' }
  const folder = await temporaryFolder()
  const { module, port } = await createOurModule({ folder, settings: {}, environment, create: sources.module })
  t.after(() => module.stop())

  await module.start()

  const { status } = await fetch(`http://127.0.0.1:${port}/readyz`)
  assert.equal(status, 200)
  assert.equal(await module.stop(), 0)
})
