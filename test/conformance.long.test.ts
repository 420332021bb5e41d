import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { requireTool } from './fixtures/tools.ts'

const root = join(import.meta.dirname, '..')

for (const version of ['1.1', 'dev']) {
  test(`the specification’s program finds nothing wrong, in both modes and by every way in (${version})`, async (t) => {
    if (requireTool(t, 'conformance')) await conform(t, `${version} (current)`)
  })
}

test('the specification’s earlier suite finds nothing wrong, in both modes and by every way in', async (t) => {
  if (requireTool(t, 'conformance-earlier')) await conform(t, 'earlier')
})

/** Sixteen runs: two modes, four ways, two kinds of authentication. */
async function conform(t: TestContext, version: string): Promise<void> {
  const script = join(root, 'scripts', 'conformance.ts')
  const run = promisify(execFile)(process.execPath, [script, version], { cwd: root, signal: t.signal })
  const { stdout } = await run.catch((error: { readonly stdout?: string; readonly message: string }) => {
    throw new Error(error.stdout || error.message)
  })

  const failures = stdout.split('\n').flatMap((line) => (line.startsWith('| Read') ? [line.split(' | ')[5]] : []))
  t.diagnostic(stdout)
  assert.deepEqual(failures, Array(16).fill('0'))
}
