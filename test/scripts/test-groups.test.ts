import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
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
