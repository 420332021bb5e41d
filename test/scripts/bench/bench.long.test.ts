import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { groups, syncGroups } from '../../../scripts/bench/line.ts'
import { skipWithout } from '../../fixtures/tools.ts'

const root = join(import.meta.dirname, '../../..')

// Those that wait for rounds of sync are left to who asks for them; the others count no rows.
const slow: readonly string[] = [...syncGroups, 'idle-round', 'layers', 'children']
const withoutRows: readonly string[] = ['latency', 'garbage', 'many-tags', 'memory']

test('a quick run measures every group beside docker-registry or nginx, and says so as JSON', {
  skip: skipWithout(['docker-registry', 'nginx', 'curl', 'wrk'])
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'bench-test-'))
  t.after(() => rm(folder, { recursive: true }))
  const json = join(folder, 'figures.json')

  const wanted = groups.filter((name) => !slow.includes(name))
  const words = ['scripts/bench.ts', '--quick', '--json', json, ...wanted]
  const { stdout } = await promisify(execFile)(process.execPath, words, {
    cwd: root,
    timeout: 840_000
  })

  const { rows, facts } = JSON.parse(await readFile(json, 'utf8'))
  const measured = new Set(rows.map(({ group }: { group: string }) => group))
  for (const group of wanted.filter((name) => !withoutRows.includes(name))) assert.ok(measured.has(group), group)
  for (const row of rows) {
    // docker-registry leaves these to others.
    if (!row.work.startsWith('access tokens')) assert.ok(row.ratio.speed > 0, row.work)
    assert.ok(stdout.includes(row.work), row.work)
  }
  for (const { work, values } of facts) {
    assert.ok((values['connected-registry'] ?? values['api-proxy']) > 0, work)
  }
})
