import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { aStoredImage, flipByte } from './integrity/damaged-store.ts'

const main = join(import.meta.dirname, '../../modules/connected-registry/src/main.ts')

/** The module's program with arguments, as an operator starts it. */
async function command(...words: readonly string[]): Promise<{ code: number; output: string }> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [main, ...words])
    return { code: 0, output: stdout }
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string }
    return { code, output: stdout }
  }
}

test('fsck ends with 0 for a clean store and 1 for one with problems', async (t) => {
  const { dataVolume, paths, blobs } = await aStoredImage(t)

  const clean = await command('fsck', dataVolume, '--content')
  await flipByte(paths, blobs[0]!)
  const damaged = await command('fsck', dataVolume, '--content')

  assert.deepEqual([clean.code, damaged.code], [0, 1])
  assert.match(clean.output, /: clean\n/)
  assert.match(damaged.output, /content does not match its digest/)
})

test('scrub sets damaged content aside, and the next one finds nothing', async (t) => {
  const { dataVolume, paths, blobs } = await aStoredImage(t)
  await flipByte(paths, blobs[0]!)

  const first = await command('scrub', dataVolume, '--rate', '1GiB')
  const second = await command('scrub', dataVolume)
  const { code, output } = await command('fsck', dataVolume, '--json')

  assert.deepEqual([first.code, second.code, code], [1, 0, 1])
  assert.ok(first.output.includes(`QUARANTINED ${blobs[0]}`))
  assert.match(first.output, /QUARANTINED: set aside .* the next round of sync brings it anew/)
  assert.equal(JSON.parse(output).problems[0].kind, 'QUARANTINED')
})

test('what cannot be done is said, and ends with 2', async (t) => {
  const { dataVolume, inStore } = await aStoredImage(t)

  const missing = await command('fsck', join(dataVolume, 'elsewhere'))
  const missingToo = await command('scrub', join(dataVolume, 'elsewhere'))
  const inUse = await inStore(() => command('fsck', dataVolume))
  const unknown = await command('fschk', dataVolume)
  const noRate = await command('scrub', dataVolume, '--rate', 'fast')

  assert.deepEqual(
    [missing, missingToo, inUse, unknown, noRate].map(({ code }) => code),
    [2, 2, 2, 2, 2]
  )
  assert.match(inUse.output, /STORE_IN_USE/)
  assert.match(unknown.output, /no such command\nusage:/)
  assert.match(missingToo.output, /there is no store/)
})
