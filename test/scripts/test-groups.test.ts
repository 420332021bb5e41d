import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { groupTests } from '../../scripts/test-groups.ts'
import { temporaryFolder } from '../connected-registry/storage/temporary-folder.ts'

test('each file of tests is run once, with others of its folder; who touches the whole process or runs programs alone', async () => {
  const root = await temporaryFolder()
  const plain = Array.from({ length: 10 }, (_, at) => `test/sync/${at}.test.ts`)
  const alone = ['test/http/memory.test.ts', 'test/journeys/a.test.ts', 'test/journeys/b.test.ts']
  const files = [...plain, ...alone, 'test/http/only.test.ts']
  for (const file of files) {
    await mkdir(dirname(join(root, file)), { recursive: true })
    await writeFile(join(root, file), file.includes('memory') ? 'process.memoryUsage()' : '')
  }

  const given = groupTests(root, files, root)

  const written = given.filter((path) => path.startsWith(root))
  const texts = await Promise.all(written.map((path) => readFile(path, 'utf8')))
  const loaded = texts.map((text) => plain.filter((file) => text.includes(`/${file}"`)))
  assert.deepEqual(
    loaded.map(({ length }) => length),
    [5, 5]
  )
  assert.deepEqual(loaded.flat().sort(), plain)
  assert.deepEqual(given.filter((path) => !path.startsWith(root)).sort(), [...alone, 'test/http/only.test.ts'].sort())
})

test('a file that cannot be loaded is a test that fails by its name, and those behind it run all the same', async () => {
  const root = await temporaryFolder()
  const passing = "import { test } from 'node:test'\ntest('it runs', () => {})"
  await writeFile(join(root, 'broken.test.mjs'), "throw new Error('planted')")
  await writeFile(join(root, 'passing.test.mjs'), passing)
  const [group] = groupTests(root, ['broken.test.mjs', 'passing.test.mjs'], root)
  const { NODE_TEST_CONTEXT: _, ...env } = process.env

  const run = promisify(execFile)(process.execPath, ['--test-reporter=tap', group!], { env })

  await assert.rejects(run, ({ code, stdout }: { code: number; stdout: string }) => {
    assert.equal(code, 1)
    assert.match(stdout, /^not ok 1 - broken\.test\.mjs is loaded$.*planted.*^ok 2 - it runs$/ms)
    return true
  })
})
