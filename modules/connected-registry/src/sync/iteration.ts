import type { RepositoryPattern } from '../protocol/repository-pattern.ts'
import { conflictDetails } from './conflicts.ts'
import { bringDamaged, type DamagedContext } from './damaged.ts'
import { repositoriesHere } from './local-catalog.ts'
import type { Pending } from './pending.ts'
import { createPlaces, inParallel } from './places.ts'
import { detailOf, isLinkFailure } from './problems.ts'
import { refusalDetails } from './refusals.ts'
import type { RepositoryContext } from './repository-context.ts'
import { type RepositoryOutcome, syncRepository } from './repository-sync.ts'
import { isInScope, resolveScope, type Scope } from './scope.ts'
import { forgetUploads } from './send.ts'
import type { IterationOutcome, NewDetail } from './status.ts'
import type { StatusCode } from './status-codes.ts'

export interface IterationContext extends DamagedContext {
  /** The parent is asked again about what it has refused. */
  readonly retryRefused: boolean
  /** These repositories and what clients changed; undefined: the whole scope. */
  readonly only?: ReadonlySet<string> | undefined
  readonly pending: Pending
}

/** What they bring has places of its own; this many are looked at and planned at once. */
const parallelRepositories = 4
const dayMs = 24 * 3_600_000

/**
 * One round: every repository in scope is looked at, planned and brought into agreement. Ends early where the link is down;
 * throws aborts, and link failures before the first repository.
 */
export async function runIteration(context: IterationContext, signal: AbortSignal): Promise<IterationOutcome> {
  const { outbound, patterns, pending, retryRefused } = context
  await outbound.catchUp()
  await tellAnew(context)
  if (retryRefused) await outbound.retryRefused()
  else if (!context.only) await outbound.retryRefused(({ at }) => isDayOld(at, context.now()))
  await pending.tell(patterns)
  const outcome = await syncAll(context, signal)
  await outbound.catchUp()
  await pending.tell(patterns)
  await forgetUploads(context)
  return { ...outcome, notices: await noticesOf(context) }
}

/**
 * A disk is given room, a token rights, a mode is changed back: nobody need come to each site below. What is from the future was
 * refused before the clock was set.
 */
function isDayOld(at: string, now: Date): boolean {
  return Math.abs(now.getTime() - Date.parse(at)) >= dayMs
}

/** Before its own first sync is complete, a parent may lack what it is about to get. */
async function tellAnew({ parent, outbound, mode }: IterationContext): Promise<void> {
  const { standing } = parent.gateway
  if (mode === 'ReadWrite' && standing?.isSynced) await outbound.tellAnew(standing.epoch)
}

async function syncAll(context: IterationContext, signal: AbortSignal): Promise<IterationOutcome> {
  const { correlationId, memory, only, outbound, parent, patterns } = context
  const scope = only ? scopeOf(only, patterns) : await wholeScope(context, signal)
  const details: NewDetail[] = [...scope.details]
  let { reached } = scope
  // What clients made here the parent's catalog does not know.
  const changed = Array.from(await outbound.repositories()).filter((repository) => isInScope(patterns, repository))
  const names = [...new Set([...scope.repositories, ...changed])].sort()
  const repositories = startingAt(names, memory.startAt)
  memory.startAt = undefined
  parent.announce(repositories)
  try {
    if (!only) details.push(...(await bringDamaged(context, signal)))
  } catch (error) {
    signal.throwIfAborted()
    if (!isLinkFailure(error)) throw error
    return { correlationId, reached, details: [...details, detailOf(error, 'damaged content')] }
  }
  const elsewhere = details.length
  const outcomes = await syncEach(context, repositories, new Set(changed), signal)
  const broken = outcomes.findIndex((outcome) => outcome?.isLinkDown)
  // That there is no link is told once.
  const told = outcomes.filter((outcome, index) => index === broken || !outcome?.isLinkDown)
  details.push(...told.flatMap((outcome) => outcome?.details ?? []))
  // Whoever wore the link out must not keep the others from their turn, round after round.
  if (broken >= 0) memory.startAt = repositories[broken === 0 ? 1 : broken]
  reached ||= outcomes.some((outcome) => outcome?.reached)
  const inTrouble = repositories.filter((_, index) => outcomes[index]?.details.length)
  const troubled = elsewhere > 0 || broken >= 0 ? undefined : inTrouble
  return { correlationId, reached: reached && broken < 0, details, troubled }
}

/** In their order, undefined for those that were not begun any more as the link was down. */
async function syncEach(
  context: IterationContext,
  repositories: readonly string[],
  changed: ReadonlySet<string>,
  signal: AbortSignal
): Promise<readonly (RepositoryOutcome | undefined)[]> {
  const outcomes: (RepositoryOutcome | undefined)[] = repositories.map(() => undefined)
  // One after the other goes up: a layer of several repositories is sent once, and mounted by the others.
  const departures = createPlaces(1)
  let isLinkDown = false
  const sync = async (index: number, repository: string) => {
    const leave = changed.has(repository) ? await departures.take(signal) : () => {}
    try {
      if (isLinkDown) return
      const outcome = await syncRepository(context, repository, signal)
      outcomes[index] = outcome
      isLinkDown ||= outcome.isLinkDown === true
    } finally {
      leave()
    }
  }
  const [first, ...others] = repositories.entries()
  // Alone, it tells whether there is a link, and brings what proves who we are for all.
  if (first) await sync(...first)
  await inParallel(others, parallelRepositories, (each) => sync(...each))
  return outcomes
}

function scopeOf(only: ReadonlySet<string>, patterns: readonly RepositoryPattern[]): Scope {
  // It is the parent's word that brought us here.
  return { repositories: [...only].filter((name) => isInScope(patterns, name)), details: [], reached: true }
}

async function wholeScope(context: IterationContext, signal: AbortSignal): Promise<Scope> {
  const known: string[] = []
  for await (const repository of repositoriesHere(context.registry)) known.push(repository)
  const scope = await resolveScope(context.parent, context.patterns, known, signal)
  return { ...scope, repositories: [...scope.repositories, ...(await missingAbove(context, scope, known))] }
}

/**
 * Repositories that only a pattern names, that came from this parent and that its catalog shows no more. A catalog proves nothing
 * of a repository: it is asked about by name, stays as long as it is unknown, and a detail says so.
 */
async function missingAbove(
  { bases, parent, patterns }: IterationContext,
  { repositories }: Scope,
  known: readonly string[]
): Promise<readonly string[]> {
  const shown = new Set(repositories)
  const missing: string[] = []
  for (const name of known) {
    if (shown.has(name) || !isInScope(patterns, name)) continue
    if ((await bases.read(name, parent.epoch)).size > 0) missing.push(name)
  }
  return missing
}

const notices: readonly string[] = ['CHANGE_REFUSED', 'REMOVALS_HELD', 'TAG_CONFLICT'] satisfies readonly StatusCode[]

export function isNotice(code: string): boolean {
  return notices.includes(code)
}

/** What an operator should look at though sync is done with it. */
async function noticesOf(context: RepositoryContext): Promise<readonly NewDetail[]> {
  const { registry, records } = context
  return [...(await refusalDetails(context)), ...(await conflictDetails(registry, records)), ...heldDetails(context)]
}

function heldDetails({ memory, patterns }: RepositoryContext): readonly NewDetail[] {
  const held = Array.from(memory.held).filter(([repository]) => isInScope(patterns, repository))
  return held.map(([repository, references]) => {
    const description = `${repository}: ${references} references stay until the parent's own first sync is complete`
    return { type: 'Parent', code: 'REMOVALS_HELD', description }
  })
}

function startingAt(repositories: readonly string[], first: string | undefined): readonly string[] {
  const index = first === undefined ? 0 : Math.max(0, repositories.indexOf(first))
  return [...repositories.slice(index), ...repositories.slice(0, index)]
}
