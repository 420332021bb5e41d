import type { Context } from 'koa'

/** What was answered since the start, by route. */
export interface RequestCounts {
  /** When a request begins to be answered. */
  begin(): number
  /** Once it is answered, or the client has left. */
  end(ctx: Context, began: number): void
  /** The counts of one route, a path of the table: there are no more of them than rows. */
  of(path: string): RouteCounts
  read(): readonly RouteFigures[]
}

/** Plain numbers, for each request adds to them; whoever asks for metrics makes sense of them. */
export interface RouteCounts {
  /** That this is the route of the request. */
  take(ctx: Context): void
}

export interface RouteFigures {
  /** As the table of routes has it; `none`: no route was found, or the request was refused before. */
  readonly route: string
  readonly requests: readonly RequestFigure[]
  /** Seconds. */
  readonly durationSum: number
  /** How many took no longer than each of `durationBounds`; then all. */
  readonly durationCounts: readonly number[]
}

export interface RequestFigure {
  readonly method: string
  /** Undefined: the client left before it was answered. */
  readonly status: number | undefined
  readonly count: number
}

/** Seconds. From what comes out of memory, over a round trip of a login, to blobs on a slow line. */
export const durationBounds = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60, 300] as const

const boundsMs = durationBounds.map((seconds) => seconds * 1000)
/** Whatever else a client makes up is one of them: `other`. */
const methods = ['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE'] as const

interface Counts extends RouteCounts {
  readonly path: string
  /** By method and status, in one number: a text would be made for each request. */
  readonly answers: Map<number, number>
  readonly durations: number[]
  sumMs: number
}

interface CountedState {
  counts?: Counts
}

/** `now`: milliseconds that only grow. */
export function createRequestCounts(now = () => performance.now()): RequestCounts {
  const byPath = new Map<string, Counts>()
  const none = of('none')

  function of(path: string): Counts {
    const known = byPath.get(path)
    if (known) return known
    const counts: Counts = {
      path,
      answers: new Map(),
      durations: new Array<number>(boundsMs.length + 1).fill(0),
      sumMs: 0,
      take(ctx) {
        ;(ctx.state as CountedState).counts = counts
      }
    }
    byPath.set(path, counts)
    return counts
  }

  function end({ state, req, res }: Context, began: number): void {
    const tookMs = now() - began
    const counts = (state as CountedState).counts ?? none
    const { answers, durations } = counts
    const answer = keyOf(req.method, res.headersSent ? res.statusCode : 0)
    answers.set(answer, (answers.get(answer) ?? 0) + 1)
    durations[bucketOf(tookMs)]! += 1
    counts.sumMs += tookMs
  }

  return {
    begin: now,
    end,
    of,
    read: () => Array.from(byPath.values(), figuresOf)
  }
}

function bucketOf(ms: number): number {
  let at = 0
  while (at < boundsMs.length && ms > boundsMs[at]!) at += 1
  return at
}

const statuses = 1000

function keyOf(method: string | undefined, status: number): number {
  return methods.indexOf(method as (typeof methods)[number]) * statuses + status
}

function figuresOf({ path, answers, durations, sumMs }: Counts): RouteFigures {
  let sum = 0
  return {
    route: path,
    requests: Array.from(answers, ([key, count]) => ({ ...answerOf(key), count })),
    durationSum: sumMs / 1000,
    durationCounts: durations.map((count) => (sum += count))
  }
}

function answerOf(key: number): Omit<RequestFigure, 'count'> {
  const method = Math.floor(key / statuses)
  const status = key - method * statuses
  return { method: methods[method] ?? 'other', status: status === 0 ? undefined : status }
}
