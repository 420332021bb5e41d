import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Line } from '../../../scripts/bench/line.ts'
import { median, rowOf, rowsOf, type Sample, tableOf } from '../../../scripts/bench/report.ts'

const line: Line = {
  name: 'work',
  group: 'manifests',
  unit: 'requests',
  target: { speed: 2, cpu: 0.5 },
  round: () => Promise.reject(new Error('not run'))
}

function aSample(contender: string, amount: number, cpuSeconds: number, othersBusy = 0): Sample {
  const load = { amount, seconds: 1, latencies: new Float64Array([1, 2]), clientBusy: 0.25 }
  return { line, contender, load, cpuSeconds, othersBusy, peakMemory: 10 }
}

test('ratios are medians of pairs of the same round', () => {
  const mine = [aSample('connected-registry', 300, 0.3), aSample('connected-registry', 100, 0.1)]
  const theirs = [aSample('docker-registry', 100, 0.4), aSample('docker-registry', 50, 0.2)]

  const row = rowOf(line, [...mine, ...theirs])

  assert.equal(row.ratio?.speed, 2.5)
  assert.equal(row.ratio?.cpu, 0.25)
  assert.equal(row.met, true)
  assert.match(tableOf([row]), /2\.5x +0\.25x +2x at 0\.5x CPU met/)
})

test('a target is missed by speed or by CPU', () => {
  const theirs = aSample('docker-registry', 100, 0.1)

  assert.equal(rowOf(line, [aSample('connected-registry', 199, 0.05), theirs]).met, false)
  assert.equal(rowOf(line, [aSample('connected-registry', 300, 0.2), theirs]).met, false)
})

test('without the reference there is a line, and no verdict', () => {
  const row = rowOf(line, [aSample('connected-registry', 300, 0.3)])

  assert.deepEqual([row.ratio, row.met], [undefined, undefined])
})

test('a line that is told beside two has a row for each, and its target in the first', () => {
  const beside = { ...line, between: ['door', 'original'], alsoBeside: 'best' } as const
  const samples = [aSample('door', 300, 0.3), aSample('original', 100, 0.4), aSample('best', 400, 0.2)]

  const [first, second, ...more] = rowsOf(samples.map((sample) => ({ ...sample, line: beside })))

  assert.deepEqual(more, [])
  assert.deepEqual([first?.ratio?.speed, first?.met], [3, true])
  assert.deepEqual([second?.ratio?.speed, second?.target], [0.75, undefined])
  assert.match(second?.work ?? '', /beside best/)
})

test('what else the machine computed is told of the one it disturbed more, in the middle of its rounds', () => {
  const mine = [0.1, 0.9, 0.2].map((others) => aSample('connected-registry', 300, 0.3, others))
  const theirs = [0.3, 0.4, 1.9].map((others) => aSample('docker-registry', 100, 0.4, others))

  const [head = '', cells = ''] = tableOf([rowOf(line, [...mine, ...theirs])]).split('\n')

  assert.match(head, /client {2}others$/)
  assert.match(cells, /25 % +40 %$/)
})

test('the median of an even number of values lies between the middle two', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5)
  assert.equal(median([5, 1, 3]), 3)
})
