import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { findTool } from '../test/fixtures/tools.ts'
import { allActions, type Mode, openSite, type Site } from '../test/simulators/site.ts'
import { openBasicFront } from './conformance/basic-front.ts'
import { follow, startParent } from './conformance/read-only-data.ts'
import { type Outcome, runSuite, type Suite, suites, type Target } from './conformance/suites.ts'

// npm run conformance [-- PART-OF-A-ROW...]     the official programs of the distribution specification against real modules
//
// Every row of the table is one run: mode, way in, authentication, version. Exit code 0: nothing failed; 1: something did;
// 2: no program is installed (scripts/install-tools.sh). What the programs wrote is kept where the last line says, when
// something failed.

interface Run {
  readonly mode: Mode
  readonly way: 'direct' | 'direct, HTTPS' | 'proxy, HTTP' | 'proxy, HTTPS'
  readonly authentication: 'Bearer' | 'Basic'
  readonly suite: Suite
}

const path = [join(import.meta.dirname, '..', '.tools', 'bin'), process.env.PATH ?? ''].join(delimiter)
const wanted = process.argv.slice(2)
const installed = suites.filter(({ program }) => findTool(program, path))
const missing = new Set(suites.filter((suite) => !installed.includes(suite)).map(({ program }) => program))
if (missing.size > 0) console.log(`not installed, left out: ${[...missing].join(', ')} (scripts/install-tools.sh)`)
const runs = allRuns().filter((run) => wanted.every((part) => nameOf(run).includes(part)))
if (runs.length === 0) {
  console.error(installed.length === 0 ? 'no conformance program is installed' : `no run matches ${wanted.join(' ')}`)
  process.exit(2)
}
const credentials = { name: 'conformance', password: 'a password: with a colon' }
const folder = await mkdtemp(join(tmpdir(), 'conformance-'))
const isSecure = ({ way }: Run) => way === 'direct, HTTPS'
const outcomes = [
  ...(await runAll(runs.filter((run) => !isSecure(run)))),
  ...(await runAll(runs.filter(isSecure), { isSecure: true }))
]
printTable(outcomes)
const isGood = outcomes.every(({ outcome }) => outcome.failed === 0 && outcome.passed > 0 && !outcome.problem)
if (isGood) await rm(folder, { recursive: true, force: true })
else console.log(`output and reports: ${folder}`)
process.exitCode = isGood ? 0 : 1

function allRuns(): readonly Run[] {
  const ways = ['direct', 'direct, HTTPS', 'proxy, HTTP', 'proxy, HTTPS'] as const
  return (['ReadWrite', 'ReadOnly'] as const).flatMap((mode) =>
    ways.flatMap((way) =>
      (['Bearer', 'Basic'] as const).flatMap((authentication) =>
        installed.map((suite) => ({ mode, way, authentication, suite }))
      )
    )
  )
}

function nameOf({ mode, way, authentication, suite }: Run): string {
  return `${mode} ${way} ${authentication} ${suite.name}`
}

interface Result {
  readonly run: Run
  readonly outcome: Outcome
  readonly seconds: number
}

/** Runs against one site; those that need another kind of site are run against another one. */
async function runAll(runs: readonly Run[], kind: { readonly isSecure?: boolean } = {}): Promise<readonly Result[]> {
  if (runs.length === 0) return []
  const parent = await startParent()
  const tokens = [{ ...credentials, actions: allActions }]
  const own = await mkdtemp(join(folder, 'site-'))
  const site = await openSite({ folder: own, tokens, plainDoor: true, ...kind })
  try {
    const { data } = parent
    const results = []
    let mode: Mode = 'ReadWrite'
    for (const run of runs) {
      if (run.mode !== mode) await follow(site, parent)
      mode = run.mode
      const readOnly = mode === 'ReadOnly' ? { data, repositories: [data.repository, data.repository] as const } : {}
      const from = performance.now()
      const outcome = await execute(site, run, readOnly)
      results.push({ run, outcome, seconds: (performance.now() - from) / 1000 })
    }
    return results
  } finally {
    await Promise.all([site.stop(), parent.stop()])
  }
}

async function execute(site: Site, run: Run, readOnly: Partial<Target>): Promise<Outcome> {
  const { way, authentication, suite } = run
  const { caFile } = site
  const url = {
    direct: site.registryUrl,
    'direct, HTTPS': site.registryUrl,
    'proxy, HTTP': site.httpDoorUrl,
    'proxy, HTTPS': site.httpsDoorUrl
  }[way]
  const id = randomUUID().slice(0, 8)
  const reports = join(folder, nameOf(run).replaceAll(/[^\w.]+/g, '-'))
  await mkdir(reports, { recursive: true })
  const common = { caFile, folder: reports, repositories: [`fresh/${id}/a`, `fresh/${id}/b`] as const, ...readOnly }
  const executable = findTool(suite.program, path)!
  if (authentication === 'Bearer') return runSuite(suite, executable, { ...common, url, credentials })
  const front = await openBasicFront({ target: url, caFile, credentials })
  try {
    return await runSuite(suite, executable, { ...common, url: front.url })
  } finally {
    await front.close()
  }
}

function printTable(rows: readonly Result[]): void {
  console.log('| mode | way | authentication | version | passed | failed | skipped | s |')
  console.log('|---|---|---|---|---|---|---|---|')
  for (const { run, outcome, seconds } of rows) {
    const { passed, failed, skipped, problem } = outcome
    const cells = [run.mode, run.way, run.authentication, run.suite.name, passed, failed, skipped, seconds.toFixed(1)]
    console.log(`| ${cells.join(' | ')} |${problem ? ` ${problem}` : ''}`)
  }
}
