import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, suite, test } from 'node:test'
import { promisify } from 'node:util'
import { findTool, skipWithout } from '../../fixtures/tools.ts'
import { temporaryFolder } from './temporary-folder.ts'

// What a power cut costs cannot be tried by killing a process: the kernel keeps what was written. The order of the system
// calls says it.
const strace = findTool('strace')
const calls = 'fsync,fdatasync,write,pwrite64,rename,renameat,renameat2,unlink'

suite('what is durable before a write resolves', { skip: skipWithout(['strace']) }, () => {
  let trace: readonly string[] = []

  before(async () => {
    const dataVolume = await temporaryFolder()
    const output = join(await temporaryFolder(), 'trace')
    const program = join(import.meta.dirname, 'programs', 'write-once.ts')
    const options = ['-f', '-y', '-s', '200', '-e', `trace=${calls}`, '-o', output]
    await promisify(execFile)(strace ?? '', [...options, process.execPath, program, dataVolume])
    trace = (await readFile(output, 'utf8')).split('\n')
  })

  /** The calls between the marks that fit, as the names of the patterns, in their order. */
  function order(name: string, patterns: Readonly<Record<string, RegExp>>): readonly string[] {
    const begin = trace.findIndex((line) => line.includes(`"begin ${name}\\n"`))
    const end = trace.findIndex((line) => line.includes(`"end ${name}\\n"`))
    assert.ok(begin >= 0 && end > begin, `the trace has no ${name}`)
    return trace
      .slice(begin + 1, end)
      .flatMap((line) => Object.keys(patterns).filter((pattern) => patterns[pattern]?.test(line)))
  }

  test('a blob: its bytes, its name, the folder of its name', () => {
    const steps = order('blob', {
      'sync folders above': /fsync\(\d+<[^>]*\/blobs\/sha256>/,
      'sync bytes': /fsync\(\d+<[^>]*\/uploads\/[^>]*\/data>/,
      'give name': /rename.*uploads.*blobs\/sha256/,
      'sync folder': /fsync\(\d+<[^>]*\/blobs\/sha256\/[0-9a-f]{2}>/
    })

    // The first two go side by side.
    assert.deepEqual(steps.slice(0, 2).toSorted(), ['sync bytes', 'sync folders above'])
    assert.deepEqual(steps.slice(2), ['give name', 'sync folder'])
  })

  test('a range of a sparse upload: that there may be holes, its bytes, the note that says they are here', () => {
    const steps = order('range', {
      'sync notes': /fsync\(\d+<[^>]*\/ranges>/,
      'sync folder': /fsync\(\d+<[^>]*\/uploads\/[0-9a-f-]{36}>/,
      'write bytes': /pwrite64\(\d+<[^>]*\/data>/,
      'sync bytes': /fdatasync\(\d+<[^>]*\/data>/,
      'write note': /write\(\d+<[^>]*\/ranges>, "\\n50-1049\\n"/
    })

    // The first one is for the bytes that came before, in order.
    assert.deepEqual(steps, ['sync bytes', 'sync notes', 'sync folder', 'write bytes', 'sync bytes', 'write note'])
  })

  test('a removal: the folder of the name', () => {
    const steps = order('remove', {
      'remove name': /unlink.*blobs\/sha256/,
      'sync folder': /fsync\(\d+<[^>]*\/blobs\/sha256\/[0-9a-f]{2}>/
    })

    assert.deepEqual(steps, ['remove name', 'sync folder'])
  })

  test('a removal of what is in quarantine as well: the blob first, so that it is never shown', () => {
    const steps = order('remove spoiled', {
      'remove name': /unlink.*blobs\/sha256/,
      'sync folder': /fsync\(\d+<[^>]*\/blobs\/sha256\/[0-9a-f]{2}>/,
      'out of quarantine': /unlink.*\/quarantine\/sha256/,
      'sync quarantine': /fsync\(\d+<[^>]*\/quarantine>/
    })

    assert.deepEqual(steps, ['remove name', 'sync folder', 'out of quarantine', 'sync quarantine'])
  })

  test('a record: the write-ahead log', () => {
    const steps = order('record', {
      'write log': /pwrite64\(\d+<[^>]*records\.sqlite-wal>/,
      'sync log': /(fsync|fdatasync)\(\d+<[^>]*records\.sqlite-wal>/
    })

    assert.equal(steps[0], 'write log')
    assert.equal(steps.at(-1), 'sync log')
  })

  test('the state file: the new text, its name, the folder', () => {
    const steps = order('state', {
      'sync text': /fsync\(\d+<[^>]*\/state\.json\.temporary>/,
      'give name': /rename.*state\.json\.temporary", .*state\.json"/,
      'sync folder': /fsync\(\d+<[^>]*storage-[A-Za-z0-9]{6}>/
    })

    assert.deepEqual(steps, ['sync text', 'give name', 'sync folder'])
  })
})
