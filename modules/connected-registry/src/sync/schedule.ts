import { Cron } from 'croner'

/** When sync may run: five-field cron in UTC, and how long a run may take once it has begun. */
export interface Schedule {
  readonly cron: string
  /** Undefined: no end, as for the continuous schedule. */
  readonly windowMs?: number
}

/** ACR's default: always online, one cheap look a minute. */
export const continuous = '* * * * *'

export function isContinuous({ cron }: Schedule): boolean {
  return cron === continuous
}

/** With a plain parent; jittered, so that a thousand sites do not all ask at the full minute. */
const pollMs = { least: 50_000, most: 65_000 }

/** When the next iteration of its own accord begins. Undefined: never. */
export function nextIteration(schedule: Schedule, now: Date, random: () => number): Date | undefined {
  if (!isContinuous(schedule)) return nextTick(schedule, now)
  return new Date(now.getTime() + pollMs.least + random() * (pollMs.most - pollMs.least))
}

/** The next tick after `now`, undefined where the pattern names no moment that ever comes. */
function nextTick({ cron }: Schedule, now: Date): Date | undefined {
  return new Cron(cron, { timezone: 'UTC', mode: '5-part' }).nextRun(now) ?? undefined
}

/** When the window that is open at `now` closes. Undefined: none is open. Continuous is always open, without an end. */
export function openUntil(schedule: Schedule, now: Date): Date | 'open' | undefined {
  if (isContinuous(schedule)) return 'open'
  const windowMs = schedule.windowMs ?? 0
  const began = nextTick(schedule, new Date(now.getTime() - windowMs))
  return began && began <= now ? new Date(began.getTime() + windowMs) : undefined
}

/** What is wrong with a cron text, undefined where nothing is. */
export function cronProblem(text: string): string | undefined {
  try {
    const next = new Cron(text, { timezone: 'UTC', mode: '5-part' }).nextRun()
    return next ? undefined : 'names no moment that ever comes'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
