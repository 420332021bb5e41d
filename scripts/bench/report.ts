import { ours, reference } from './contenders.ts'
import type { Fact } from './fact.ts'
import type { Line } from './line.ts'
import { type Load, percentile } from './load.ts'

/** What one contender did in one round. */
export interface Sample {
  readonly line: Line
  readonly contender: string
  readonly load: Load
  readonly cpuSeconds: number
  /**
   * Seconds that all but this one and the client computed for each second that passed: what stands behind a door, or what
   * disturbs. On two processors one program that never rests makes ratios of pushes a quarter smaller.
   */
  readonly othersBusy: number
  /** MiB held at the most while it worked. */
  readonly peakMemory: number
}

/** A line of the table, as the JSON has it. */
export interface Row {
  readonly work: string
  readonly group: string
  readonly unit: string
  readonly contenders: Readonly<Record<string, Figures>>
  /** Whose work the row is about, and beside whom. */
  readonly between: readonly [own: string, other: string]
  /** Medians of the ratios of each round: one's speed and CPU for each unit over the other's. */
  readonly ratio?: { readonly speed: number; readonly cpu: number }
  readonly target?: Line['target']
  readonly met?: boolean
}

export interface Figures {
  readonly rounds: number
  /** Units a second. */
  readonly speed: number
  /** CPU seconds a thousand requests, an operation or a GiB. */
  readonly cpu: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly peakMemory: number
  readonly clientBusy: number
  readonly othersBusy: number
}

const cpuUnits = {
  requests: { amount: 1000, text: 'ms/request' },
  operations: { amount: 1, text: 's/operation' },
  MiB: { amount: 1024, text: 's/GiB' }
} as const

/** One row for each line; where it is told beside a second one, another row for that. */
export function rowsOf(samples: readonly Sample[]): readonly Row[] {
  const rows: Row[] = []
  for (const [line, own] of Map.groupBy(samples, (sample) => sample.line)) {
    const row = rowOf(line, own)
    rows.push(row)
    if (line.alsoBeside === undefined) continue
    const { target: _, ...untargeted } = line
    const between = [row.between[0], line.alsoBeside] as const
    rows.push(rowOf({ ...untargeted, name: `  the same, beside ${line.alsoBeside}`, between }, own))
  }
  return rows
}

export function rowOf(line: Line, samples: readonly Sample[]): Row {
  const names = [...new Set(samples.map(({ contender }) => contender))]
  const of = (name: string) => samples.filter(({ contender }) => contender === name)
  const between = line.between ?? ([ours, reference] as const)
  const ratio = ratioOf(of(between[0]), of(between[1]))
  return {
    work: line.name,
    group: line.group,
    unit: line.unit,
    contenders: Object.fromEntries(names.map((name) => [name, figuresOf(of(name))])),
    between,
    ratio,
    target: line.target,
    met: ratio && line.target && isMet(ratio, line.target)
  }
}

function figuresOf(samples: readonly Sample[]): Figures {
  const { amount } = cpuUnits[samples[0]!.line.unit]
  const of = (value: (sample: Sample) => number) => median(samples.map(value))
  return {
    rounds: samples.length,
    speed: of(speedOf),
    cpu: of(({ cpuSeconds, load }) => (cpuSeconds / load.amount) * amount),
    p50Ms: of(({ load }) => percentile(load.latencies, 0.5)),
    p99Ms: of(({ load }) => percentile(load.latencies, 0.99)),
    peakMemory: Math.max(...samples.map(({ peakMemory }) => peakMemory)),
    clientBusy: Math.max(...samples.map(({ load }) => load.clientBusy)),
    othersBusy: of(({ othersBusy }) => othersBusy)
  }
}

/** Paired: what shared machines do to one they do to the other a moment later. */
function ratioOf(mine: readonly Sample[], theirs: readonly Sample[]): Row['ratio'] {
  const pairs = mine.slice(0, theirs.length).map((sample, round) => [sample, theirs[round]!] as const)
  if (pairs.length === 0) return undefined
  const cpuOf = ({ cpuSeconds, load }: Sample) => cpuSeconds / load.amount
  return {
    speed: median(pairs.map(([one, other]) => speedOf(one) / speedOf(other))),
    cpu: median(pairs.map(([one, other]) => cpuOf(one) / cpuOf(other)))
  }
}

function isMet(
  ratio: NonNullable<Row['ratio']>,
  { speed, cpu = Number.POSITIVE_INFINITY }: NonNullable<Line['target']>
) {
  return ratio.speed >= speed && ratio.cpu <= cpu
}

function speedOf({ load }: Sample): number {
  return load.amount / load.seconds
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  const middle = sorted.length / 2
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** One readable table: ours beside the reference, the ratios, and what was wanted. The rows are all of one and the same. */
export function tableOf(rows: readonly Row[]): string {
  const own = rows[0]?.between[0] ?? ours
  const others = [...new Set(rows.flatMap(({ contenders }) => Object.keys(contenders)))].filter((name) => name !== own)
  const head = ['work', 'unit', own, ...others, 'speed', 'CPU', 'wanted', 'p99 ms', 'CPU of one', 'client', 'others']
  return layOut([head, ...rows.map((row) => cellsOf(row, others))])
}

function cellsOf(
  { work, unit, contenders, between, ratio, target, met }: Row,
  others: readonly string[]
): readonly string[] {
  const mine = contenders[between[0]]
  const speeds = [between[0], ...others].map((name) => (contenders[name] ? `${digits(contenders[name].speed)}` : '-'))
  const cpuUnit = cpuUnits[unit as Line['unit']].text
  const most = (value: (figures: Figures) => number) => Math.max(...Object.values(contenders).map(value))
  return [
    work,
    `${unit}/s`,
    ...speeds,
    ratio ? `${digits(ratio.speed)}x` : '-',
    ratio ? `${digits(ratio.cpu)}x` : '-',
    target
      ? `${target.speed}x${target.cpu ? ` at ${target.cpu}x CPU` : ''} ${met === undefined ? '' : met ? 'met' : 'MISSED'}`
      : '-',
    mine ? digits(mine.p99Ms) : '-',
    mine ? `${digits(mine.cpu)} ${cpuUnit}` : '-',
    percent(most(({ clientBusy }) => clientBusy)),
    percent(most(({ othersBusy }) => othersBusy))
  ]
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

function layOut(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const line = (row: readonly string[]) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  ')
  return `${rows.map((row) => line(row).trimEnd()).join('\n')}\n`
}

/** Three digits that count. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '-'
  return Math.abs(value) >= 100 ? Math.round(value).toString() : Number(value.toPrecision(3)).toString()
}

/** The second table: what is measured once. */
export function factTableOf(facts: readonly Fact[]): string {
  const names = [...new Set(facts.flatMap(({ values }) => Object.keys(values)))]
  const cells = ({ work, unit, values, limit }: Fact) => [
    work,
    unit,
    ...names.map((name) => digits(values[name] ?? Number.NaN)),
    limit === undefined ? '-' : `<= ${digits(limit)} ${(values[ours] ?? 0) <= limit ? 'met' : 'MISSED'}`
  ]
  return layOut([['work', 'unit', ...names, 'wanted'], ...facts.map(cells)])
}
