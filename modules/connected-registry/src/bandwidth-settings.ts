import { z } from 'zod'
import { checked, type Problems } from './checked-schema.ts'

/** `sync.bandwidth`: one limit for always, or limits by the time of day. In each direction. */
export type BandwidthSettings = readonly TimedLimit[]

export interface TimedLimit {
  /** Minutes after midnight, UTC. Where `to` is not behind `from` it goes over midnight. */
  readonly from: number
  readonly to: number
  readonly bitsPerSecond: number
}

const wholeDay = { from: 0, to: 24 * 60 }
/** Less would not carry the tokens and manifests in the time that requests have. */
const leastBitsPerSecond = 8000
const entryLimit = 24

const textSchema = z.string().max(32)
const entrySchema = z.strictObject({ from: textSchema, to: textSchema, limit: textSchema })

export const bandwidthSchema = checked(
  z.union([textSchema, z.array(entrySchema).max(entryLimit)], 'is neither a rate nor a list of from, to and limit'),
  readBandwidth
)

/** Bits per second at this moment: the least of the limits that hold. Undefined: none does. */
export function bandwidthAt(settings: BandwidthSettings | undefined, at: Date): number | undefined {
  const minute = at.getUTCHours() * 60 + at.getUTCMinutes()
  const limits = (settings ?? []).filter((entry) => holds(entry, minute)).map(({ bitsPerSecond }) => bitsPerSecond)
  return limits.length > 0 ? Math.min(...limits) : undefined
}

/** For people: `06:00-22:00 20000000 bit/s`. */
export function describeBandwidth(settings: BandwidthSettings): readonly string[] {
  return settings.map(({ from, to, bitsPerSecond }) => `${timeText(from)}-${timeText(to)} ${bitsPerSecond} bit/s`)
}

function timeText(minutes: number): string {
  return [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, '0')).join(':')
}

function holds({ from, to }: TimedLimit, minute: number): boolean {
  return from < to ? minute >= from && minute < to : minute >= from || minute < to
}

/** Bits per second as a person writes them: `20Mbps`, `512 kbps`, `1.5Mbit/s`. Undefined: they are none. */
export function readRate(text: string): number | undefined {
  const [, number, prefix = ''] = /^(\d{1,9}(?:\.\d{1,3})?) ?([kmg]?)(?:bps|bit\/s)$/i.exec(text.trim()) ?? []
  return number === undefined ? undefined : Math.round(Number(number) * factors[prefix.toLowerCase()]!)
}

const factors: Readonly<Record<string, number>> = { '': 1, k: 1000, m: 1000 ** 2, g: 1000 ** 3 }

function readBandwidth(given: string | readonly z.output<typeof entrySchema>[]): BandwidthSettings | Problems {
  if (typeof given === 'string') {
    const problem = rateProblem(given)
    return problem ? { problems: [problem] } : [{ ...wholeDay, bitsPerSecond: readRate(given)! }]
  }
  const problems = given.flatMap((entry, at) => entryProblems(entry).map((problem) => `${at}.${problem}`))
  if (problems.length > 0) return { problems }
  return given.map(({ from, to, limit }) => ({
    from: readTime(from)!,
    to: readTime(to)!,
    bitsPerSecond: readRate(limit)!
  }))
}

function entryProblems({ from, to, limit }: z.output<typeof entrySchema>): readonly string[] {
  const problem = rateProblem(limit)
  const times = Object.entries({ from, to }).filter(([, time]) => readTime(time) === undefined)
  return [...times.map(([key]) => `${key}: is no time of day such as 06:00`), ...(problem ? [`limit: ${problem}`] : [])]
}

function rateProblem(text: string): string | undefined {
  const rate = readRate(text)
  if (rate === undefined) return 'is no rate such as 20Mbps'
  return rate < leastBitsPerSecond ? 'is less than 8kbps, with which nothing would arrive in time' : undefined
}

function readTime(text: string): number | undefined {
  const [, hours, minutes] = /^([01]\d|2[0-3]|24(?=:00)):([0-5]\d)$/.exec(text) ?? []
  return hours === undefined ? undefined : Number(hours) * 60 + Number(minutes)
}
