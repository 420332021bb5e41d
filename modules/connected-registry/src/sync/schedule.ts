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

/** A parent whose feed we follow tells by itself: an hour, in place of a minute. */
const fedFactor = 60

/** By offset: for a zone by its name, be it UTC, `Intl` loads the tables of every language, 8 MiB that stay. */
export const cronOptions = { utcOffset: 0, mode: '5-part' } as const

/** When the next iteration of its own accord begins. Undefined: never. */
export function nextIteration(schedule: Schedule, now: Date, random: () => number, isFed = false): Date | undefined {
  if (!isContinuous(schedule)) return nextTick(schedule, now)
  const wait = pollMs.least + random() * (pollMs.most - pollMs.least)
  return new Date(now.getTime() + wait * (isFed ? fedFactor : 1))
}

/** The next tick after `now`, undefined where the pattern names no moment that ever comes. */
function nextTick(schedule: Schedule, now: Date): Date | undefined {
  return patternOf(schedule).nextRun(now) ?? undefined
}

/** When the window that is open at `now` closes. Undefined: none is open. Continuous is always open, without an end. */
export function openUntil(schedule: Schedule, now: Date): Date | 'open' | undefined {
  if (isContinuous(schedule)) return 'open'
  // Windows may overlap. The last one to open counts: the runs of the ticks before it would end too early for it.
  const [began] = patternOf(schedule).previousRuns(1, new Date(now.getTime() + 1))
  const closes = began && new Date(began.getTime() + (schedule.windowMs ?? 0))
  return closes && closes > now ? closes : undefined
}

function patternOf({ cron }: Schedule): Cron {
  return new Cron(cron, cronOptions)
}

/** Numbers, `*`, `,`, `-` and `/`, as ACR has them: no names, no nicknames, no further letters, which other parsers read differently. */
const dialect = /^[\d*,/-]+( [\d*,/-]+){4}$/

/** What is wrong with a cron text, undefined where nothing is. */
export function cronProblem(text: string): string | undefined {
  if (!dialect.test(text)) return 'has five fields of numbers, *, comma, - and /'
  try {
    const next = patternOf({ cron: text }).nextRun()
    return next ? undefined : 'names no moment that ever comes'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
