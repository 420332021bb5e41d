import { isDeepStrictEqual } from 'node:util'
import { type NotificationPattern, parseNotificationPattern } from './protocol/notification-pattern.ts'
import type { Json, Value } from './storage/record-store.ts'

/** How far the change log was told, and what of it is to be told. */
export interface Position {
  readonly cursor: number
  /** What comes after each is told by its patterns, up to the next one. The first one's hold at the cursor. */
  readonly eras: readonly Era[]
  readonly lost?: { readonly count: number; readonly at: string }
}

export interface Era {
  readonly after: number
  readonly patterns: readonly NotificationPattern[]
}

/** Of patterns that change again and again while edgeHub is away, the last ones count from the last of so many changes on. */
const eraLimit = 10

/** The same position where these patterns are in force already. */
export function withEra(position: Position, era: Era): Position {
  const last = position.eras.at(-1)
  if (last && isDeepStrictEqual(textsOf(last), textsOf(era))) return position
  const eras = position.eras.slice(0, eraLimit - 1)
  const after = position.eras.length < eraLimit ? era.after : last!.after
  return { ...position, eras: [...eras, { after, patterns: era.patterns }] }
}

export function patternsIn({ eras }: Position, sequence: number): readonly NotificationPattern[] {
  return eras.findLast(({ after }) => after < sequence)?.patterns ?? []
}

export function recordOf({ cursor, eras, lost }: Position): Json {
  const kept = eras.map((era) => ({ after: era.after, patterns: textsOf(era) }))
  return { cursor, eras: kept, ...(lost && { lost: { ...lost } }) }
}

export function readPosition(value: Value | undefined): Position | undefined {
  if (value === undefined) return undefined
  const { eras, ...rest } = value as unknown as Omit<Position, 'eras'> & { readonly eras: readonly EraRecord[] }
  return { ...rest, eras: eras.map(({ after, patterns }) => ({ after, patterns: patterns.flatMap(read) })) }
}

interface EraRecord {
  readonly after: number
  readonly patterns: readonly string[]
}

/** One that only a newer version can read chooses nothing. */
function read(text: string): readonly NotificationPattern[] {
  const pattern = parseNotificationPattern(text)
  return 'problem' in pattern ? [] : [pattern]
}

function textsOf({ patterns }: Era): readonly string[] {
  return patterns.map(({ text }) => text)
}
