import { z } from 'zod'

export interface Problems {
  readonly problems: readonly string[]
}

/** A schema whose values are then read by a function of ours, which may refuse them with reasons. */
export function checked<S extends z.ZodType, R>(schema: S, read: (value: z.output<S>) => R) {
  return schema.transform((value, context): Exclude<R, Problems> => {
    const result = read(value)
    if (!isProblems(result)) return result as Exclude<R, Problems>
    for (const message of result.problems) context.addIssue({ code: 'custom', message })
    return z.NEVER
  })
}

function isProblems(value: unknown): value is Problems {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 1 && 'problems' in value
}
