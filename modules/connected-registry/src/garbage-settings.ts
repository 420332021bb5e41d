import { z } from 'zod'
import { durationText, readDuration } from './durations.ts'
import { dayMs } from './registry/garbage.ts'
import { cronProblem } from './sync/schedule.ts'

/** When garbage is collected by itself, and how long things wait. */
export interface GarbageSettings {
  readonly enabled: boolean
  /** Five-field cron, UTC. */
  readonly cron: string
  /** How long content stays that nothing names, milliseconds. */
  readonly graceMs: number
  /** How long a manifest stays without a tag, milliseconds. Undefined: as the mode has it. */
  readonly untaggedAfterMs?: number | 'never'
}

export const defaultGarbageSettings: GarbageSettings = { enabled: true, cron: '0 0 * * *', graceMs: dayMs }

export const garbageSchema = z.strictObject({
  enabled: z.boolean().optional(),
  schedule: z.string().max(128, { abort: true }).optional(),
  grace: z.string().optional(),
  untaggedAfter: z.string().optional()
})

const longestMs = 3650 * dayMs
const leastGraceMs = 3_600_000

/** Problems repeat no value: it may be a secret in the wrong place. Shorter than an hour a push that takes its time would lose what it has brought. */
export function readGarbageSettings(
  given: z.output<typeof garbageSchema>
): GarbageSettings | { readonly problems: readonly string[] } {
  const { enabled, schedule: cron = defaultGarbageSettings.cron, grace, untaggedAfter } = given
  const graceMs = grace === undefined ? defaultGarbageSettings.graceMs : readDuration(grace)
  const untaggedAfterMs = readUntaggedAfter(untaggedAfter)
  const cronIsWrong = cronProblem(cron)
  const problems = [
    ...(cronIsWrong ? ['schedule is not a cron pattern of five fields that ever comes, such as 0 3 * * *'] : []),
    ...(isWithin(graceMs, leastGraceMs) ? [] : ['grace is not an ISO 8601 duration from PT1H on']),
    ...(untaggedAfterMs === undefined || untaggedAfterMs === 'never' || isWithin(untaggedAfterMs, 0)
      ? []
      : ['untaggedAfter is neither an ISO 8601 duration such as P7D nor "never"'])
  ]
  if (problems.length > 0 || graceMs === undefined) return { problems }
  return { enabled: enabled ?? true, cron, graceMs, ...(untaggedAfterMs !== undefined && { untaggedAfterMs }) }
}

function readUntaggedAfter(text: string | undefined): number | 'never' | undefined {
  if (text === undefined || text === 'never') return text
  return readDuration(text) ?? Number.NaN
}

function isWithin(ms: number | undefined, leastMs: number): boolean {
  return ms !== undefined && ms >= leastMs && ms <= longestMs
}

/**
 * What is in force: in ReadOnly mode a week unless it is said otherwise. In ReadWrite mode never, whatever is said: what clients
 * push is not above yet, and deployments pin digests.
 */
export function untaggedAfter(mode: 'ReadOnly' | 'ReadWrite', { untaggedAfterMs = 7 * dayMs }: GarbageSettings) {
  return mode === 'ReadWrite' || untaggedAfterMs === 'never' ? undefined : untaggedAfterMs
}

/** As the status shows them. */
export function describeGarbageSettings(mode: 'ReadOnly' | 'ReadWrite', settings: GarbageSettings) {
  const { enabled, cron, graceMs } = settings
  const untaggedMs = untaggedAfter(mode, settings)
  return {
    enabled,
    schedule: cron,
    grace: durationText(graceMs),
    untaggedAfter: untaggedMs === undefined ? 'never' : durationText(untaggedMs)
  }
}
