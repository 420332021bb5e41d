import assert from 'node:assert/strict'
import { before, suite, test } from 'node:test'
import { findTool, skipWithout } from '../fixtures/tools.ts'
import { afterKill } from './disk-model.ts'
import { mistakes } from './mistakes.ts'
import { type RecordedRun, recordRun } from './record-run.ts'
import { replayKills, replayPowerCuts } from './replay.ts'
import { aWorkload } from './workload.ts'

const strace = findTool('strace')
const size = { writers: 3, rounds: 4 }
const workload = aWorkload('quick', size)

suite('a run that is recorded below the program', { skip: skipWithout(['strace']) }, () => {
  let run: RecordedRun

  before(async () => {
    run = await recordRun(strace ?? '', 'quick', size)
  })

  test('gives, replayed to its end, the folder as the system shows it', () => {
    assert.deepEqual(afterKill(run.recording, run.recording.operations.length), run.folder)
    assert.equal(run.recording.lines.length, workload.flatMap(({ steps }) => steps).length)
  })

  test('leaves a whole store wherever the process is killed', async (t) => {
    const { length } = run.recording.operations
    const cuts = Array.from({ length: 25 }, (_, index) => Math.round((index * length) / 24))

    const failures = await replayKills(run.recording, workload, cuts)

    assert.deepEqual(failures, [])
    t.diagnostic(`${cuts.length} of ${length + 1} prefixes replayed`)
  })

  test('leaves a whole store wherever the power fails, whatever of the unsynced is lost', async (t) => {
    const seeds = Array.from({ length: 50 }, (_, index) => index)

    const failures = await replayPowerCuts(run.recording, workload, { seeds })

    assert.deepEqual(failures, [])
    t.diagnostic(`${seeds.length} samples of ${run.recording.operations.length} operations replayed`)
  })

  for (const { name, make } of mistakes) {
    test(`shows a store that ${name}`, async () => {
      const seeds = Array.from({ length: 200 }, (_, index) => index)

      const failures = await replayPowerCuts(make(run.recording), workload, { seeds, untilFailures: 1 })

      assert.equal(failures.length, 1)
    })
  }
})
