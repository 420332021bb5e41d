import { spawn } from 'node:child_process'
import { globSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { parseArgs } from 'node:util'
import { debianPackages, findTool, goPrograms, mustHave } from '../test/fixtures/tools.ts'
import { compileCache } from '../test/simulators/module-process.ts'
import { groupTests } from './test-groups.ts'

// npm test [-- PART-OF-A-PATH... | --test-OPTION...]     every test but the long ones
// npm run test:long [-- ...]                             the long ones, *.long.test.ts
// --within SECONDS                                       bounds the whole run; a test left hanging must not hold up CI

const root = join(import.meta.dirname, '..')
const minutes = 60

const { values: options, tokens } = parseArgs({
  options: { long: { type: 'boolean', default: false }, within: { type: 'string' } },
  strict: false,
  tokens: true,
  allowPositionals: true
})
const filters = tokens.flatMap((token) => (token.kind === 'positional' ? [token.value] : []))
const passedOn = process.argv.slice(2).filter((argument) => argument.startsWith('--test-'))
const run = options.long
  ? { suffix: '.long.test.ts', testTimeoutMs: 900_000, concurrency: 1, boundSeconds: 40 * minutes }
  : {
      suffix: '.test.ts',
      testTimeoutMs: 120_000,
      // One more than processors: a third of the time a test waits, for a process to start or for a limit to pass.
      concurrency: availableParallelism() + 1,
      boundSeconds: 12 * minutes
    }

const files = testFiles()
if (files.length === 0) {
  console.error(`no test file *${run.suffix} below test/${filters.length > 0 ? ` matches ${filters.join(' ')}` : ''}`)
  process.exit(1)
}

// Engines stand in /usr/sbin, which not every PATH names.
const path = [join(root, '.tools', 'bin'), process.env.PATH ?? '', '/usr/sbin'].join(delimiter)
const missing = [...Object.keys(debianPackages), ...goPrograms].filter((tool) => !findTool(tool, path))
if (missing.length > 0) console.log(`not on this machine, tests that need them are skipped: ${missing.join(', ')}`)
const lost = missing.filter((tool) => mustHave(tool))
if (lost.length > 0) {
  console.error(`in CI what Debian has must be there: ${lost.join(', ')} (scripts/install-tools.sh)`)
  process.exit(1)
}
runTests(Number(options.within) || run.boundSeconds)

function testFiles(): readonly string[] {
  return globSync('test/**/*.test.ts', { cwd: root })
    .filter((file) => file.endsWith('.long.test.ts') === options.long)
    .filter((file) => filters.length === 0 || filters.some((part) => file.includes(part.replace(/^\.\//, ''))))
    .sort()
}

function runTests(boundSeconds: number): void {
  const folder = mkdtempSync(join(tmpdir(), 'test-groups-'))
  const given = options.long ? files : groupTests(root, files, folder)
  const limits = [`--test-timeout=${run.testTimeoutMs}`, `--test-concurrency=${run.concurrency}`]
  const child = spawn(process.execPath, ['--test', '--test-reporter=spec', ...limits, ...passedOn, ...given], {
    cwd: root,
    // Hundreds of processes load the same sources: what one has compiled, the next takes as it is.
    env: { NODE_COMPILE_CACHE: compileCache, ...process.env, PATH: path },
    stdio: 'inherit'
  })
  // On SIGTERM the runner names the files that are still running, prints its summary and fails.
  const overdue = setTimeout(() => {
    console.error(`not finished within ${boundSeconds} s`)
    child.kill('SIGTERM')
    setTimeout(() => child.kill('SIGKILL'), 30_000).unref()
  }, boundSeconds * 1000)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  child.on('exit', (code) => {
    clearTimeout(overdue)
    rmSync(folder, { recursive: true })
    process.exitCode = code ?? 1
  })
}
