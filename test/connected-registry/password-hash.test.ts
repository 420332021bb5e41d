import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { verifyPassword } from '../../modules/connected-registry/src/access/passwords.ts'

const main = join(import.meta.dirname, '../../modules/connected-registry/src/main.ts')

interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The module's program as an operator starts it, with this on its standard input. */
function passwordHash(input: string | Uint8Array, ...words: readonly string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [main, 'password-hash', ...words])
  const { promise, resolve } = Promise.withResolvers<Outcome>()
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (part: Buffer) => {
    stdout += part.toString()
  })
  child.stderr.on('data', (part: Buffer) => {
    stderr += part.toString()
  })
  child.on('close', (code) => resolve({ code, stdout, stderr }))
  child.stdin.on('error', () => {}) // It ends without reading where there are arguments.
  child.stdin.end(input)
  return promise
}

test('the hash of what comes in fits it, without the end of its line', async () => {
  for (const [input, password] of [
    ['pässword: with spaces ☃ ', 'pässword: with spaces ☃ '],
    ['secret\n', 'secret'],
    ['secret\r\n', 'secret']
  ] as const) {
    const { code, stdout, stderr } = await passwordHash(input)

    assert.equal(code, 0, stderr)
    assert.match(stdout, /^scrypt\$15\$8\$1\$[\w-]+\$[\w-]+\n$/)
    assert.ok(await verifyPassword(password, stdout.trim()))
  }
})

test('what is no usable password is refused without being repeated', async () => {
  const cases = [
    [await passwordHash(''), /is empty/],
    [await passwordHash('\n'), /is empty/],
    [await passwordHash('hunter2\nhunter2\n'), /control character/],
    [await passwordHash('hunter2\0'), /control character/],
    [await passwordHash('hunter2'.repeat(1000)), /longer than 1024 bytes/],
    [await passwordHash(new Uint8Array([0xff, 0xfe])), /not UTF-8/],
    [await passwordHash('', 'hunter2'), /read from the standard input/]
  ] as const

  for (const [{ code, stdout, stderr }, reason] of cases) {
    assert.equal(code, 2)
    assert.match(stdout, reason)
    assert.doesNotMatch(stdout + stderr, /hunter2/)
  }
})
