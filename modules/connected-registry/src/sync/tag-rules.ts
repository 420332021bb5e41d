import semver from 'semver'
import { companionOf } from '../protocol/companion-tag.ts'
import { type LinearPattern, parseGlob, parseLinearPattern } from './linear-pattern.ts'
import type { TagRules } from './scope-rules.ts'

export interface ListedTag {
  readonly name: string
  /** Milliseconds since the epoch; undefined where the parent does not tell. */
  readonly updatedAt?: number
}

/** Which of the tags that a parent lists are wanted. */
export type TagChoice = (tags: readonly ListedTag[]) => ReadonlySet<string>

/** The newest are wanted, and the parent does not tell when a tag came: nothing follows then. */
export class TagOrderError extends Error {
  override readonly name = 'TagOrderError'
  readonly code = 'TAG_ORDER_UNKNOWN'

  constructor() {
    super('the newest tags are wanted, and this parent tells no times: give a semver range too')
  }
}

/** Throws PatternError where a pattern cannot be used; settings were checked before. */
export function createTagChoice({ globs, regex, semver: range, newest }: TagRules): TagChoice {
  const tests: LinearPattern[] = []
  if (globs) tests.push(anyOf(globs.map(parseGlob)))
  if (regex !== undefined) tests.push(parseLinearPattern(regex))
  if (range !== undefined) tests.push((tag) => isInRange(tag, range))
  return (tags) => {
    const matching = tags.filter(({ name }) => tests.every((matches) => matches(name)))
    const chosen = newest === undefined ? matching : newestOf(matching.filter(isOwn), newest, range !== undefined)
    return new Set(chosen.map(({ name }) => name))
  }
}

/** Whether `text` is a range of versions. */
export function isVersionRange(text: string): boolean {
  return semver.validRange(text) !== null
}

function anyOf(patterns: readonly LinearPattern[]): LinearPattern {
  return (text) => patterns.some((matches) => matches(text))
}

function isInRange(tag: string, range: string): boolean {
  const version = semver.parse(tag)
  return version !== null && semver.satisfies(version, range)
}

/** What is said by a tag about an image comes with that: it is pushed after it, and must not take the place of another one. */
function isOwn({ name }: ListedTag): boolean {
  return companionOf(name) === undefined
}

function newestOf(tags: readonly ListedTag[], count: number, byVersion: boolean): readonly ListedTag[] {
  if (tags.length <= count) return tags
  return tags.toSorted(byVersion ? byVersionDown : byTimeDown).slice(0, count)
}

function byVersionDown(one: ListedTag, other: ListedTag): number {
  return semver.rcompare(one.name, other.name) || byName(one, other)
}

function byTimeDown(one: ListedTag, other: ListedTag): number {
  if (one.updatedAt === undefined || other.updatedAt === undefined) throw new TagOrderError()
  return other.updatedAt - one.updatedAt || byName(one, other)
}

function byName(one: ListedTag, other: ListedTag): number {
  return one.name < other.name ? -1 : 1
}
