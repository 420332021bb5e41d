import assert from 'node:assert/strict'
import { before, suite, test } from 'node:test'
import { findTool, skipWithout } from '../fixtures/tools.ts'
import { type RecordedRun, recordRun } from './record-run.ts'
import { replayKills, replayPowerCuts } from './replay.ts'
import { aWorkload } from './workload.ts'

const strace = findTool('strace')
const size = { writers: 3, rounds: 4 }
const workload = aWorkload('long', size)

suite('a longer run that is recorded', { skip: skipWithout(['strace']) }, () => {
  let run: RecordedRun

  before(async () => {
    run = await recordRun(strace ?? '', 'long', size)
  })

  test('leaves a whole store after every single operation', async (t) => {
    const cuts = Array.from({ length: run.recording.operations.length + 1 }, (_, cut) => cut)

    const failures = await replayKills(run.recording, workload, cuts)

    assert.deepEqual(failures, [])
    t.diagnostic(`${cuts.length} prefixes replayed`)
  })

  test('leaves a whole store after a thousand power cuts', async (t) => {
    const seeds = Array.from({ length: 1000 }, (_, index) => 10_000 + index)

    const failures = await replayPowerCuts(run.recording, workload, { seeds })

    assert.deepEqual(failures, [])
    t.diagnostic(`${seeds.length} samples of ${run.recording.operations.length} operations replayed`)
  })
})
