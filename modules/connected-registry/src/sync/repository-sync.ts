import { ParentError } from '../parent/parent-error.ts'
import type { ParentRepository } from '../parent/parent-registry.ts'
import type { ChildChoice } from '../protocol/descriptor.ts'
import { type Digest, parseDigest } from '../protocol/digest.ts'
import { showsAbsence } from './absence.ts'
import { askAboutChanges } from './ask-above.ts'
import { together } from './batches.ts'
import { carryOut, type FailedStep } from './carry-out.ts'
import { bringCompanions, noCompanions } from './companions.ts'
import type { CopyJob } from './copy.ts'
import type { ExecuteContext } from './execute.ts'
import { settleReferrers } from './late-referrers.ts'
import { createLocalTarget } from './local-target.ts'
import { look, type ParentView, resolveTags } from './look.ts'
import type { OutboundRecord } from './outbound.ts'
import { chooseChildren, type PlatformChoice } from './platforms.ts'
import { codeOf, describe, detailOf, isContact, isLinkFailure } from './problems.ts'
import { createReadAhead } from './read-ahead.ts'
import type { RepositoryContext, RoundMemory } from './repository-context.ts'
import { rulesFor } from './scope-rules.ts'
import { createSelection, type Selection } from './selection.ts'
import { createUpJob } from './send.ts'
import type { NewDetail } from './status.ts'
import { currentBases, isRemoval, type PlannedStep, planRepository, type RepositoryFacts } from './steps.ts'

export interface RepositoryOutcome {
  readonly details: readonly NewDetail[]
  /** The parent answered, whatever it said. */
  readonly reached: boolean
  /** The link is down: going on with another repository is no use. */
  readonly isLinkDown?: boolean
}

/** Brings one repository into agreement with its parent. Failures become details; only an abort is thrown. */
export async function syncRepository(
  context: RepositoryContext,
  name: string,
  signal: AbortSignal
): Promise<RepositoryOutcome> {
  const { board, log, memory } = context
  try {
    return { details: await agree(context, name, signal), reached: true }
  } catch (error) {
    signal.throwIfAborted()
    const isLinkDown = isLinkFailure(error)
    // That there is no link is no trouble of the repository that happened to be next.
    if (!isLinkDown) board.synced({ ...board.repository(name), problem: describe(error) })
    if (!isLinkDown && (context.complete || context.thorough)) memory.unfinished.add(name)
    log.warn({ repository: name, code: codeOf(error), reason: describe(error) }, 'repository not synced')
    return { details: [detailOf(error, name)], reached: isContact(error), isLinkDown }
  }
}

async function agree(context: RepositoryContext, name: string, signal: AbortSignal): Promise<readonly NewDetail[]> {
  const { bases, board, parent, registry, mode, memory, now } = context
  const at = now().toISOString()
  const outbound = await context.outbound.of(name)
  const known = await bases.readAny(name)
  const { epoch } = parent
  const agreed = currentBases(known, epoch)
  const rules = rulesFor(context.patterns, name)
  const wants = rules?.platforms && chooseChildren(rules.platforms)
  const selection = rules && (await createSelection({ registry, mode, repository: name, bases: agreed }, rules.tags))
  const above = createReadAhead(parent.repository(name), agreed)
  const { view, unknown } = await lookAbove(context, above, { epoch, outbound, selection, signal })
  const asked = await askAboutChanges(parent.repository(name), { outbound, view, agreed, registry }, signal)
  if (!view && asked.places.size + asked.details.length === 0) {
    if (unknown && agreed.size > 0) throw unknown
    board.synced({ name, wanted: agreed.size, have: agreed.size, lastSync: at })
    return []
  }

  const tagsAbove = await allTags(context, name, { outbound, view, signal })
  const facts = { repository: name, epoch, bases: known, outbound, view, asked: asked.places, tagsAbove }
  const planned = await planRepository({ registry, mode, wants }, facts)
  const believed = isBelieved(context.memory, name, planned.shrunk)
  const removals = planned.steps.filter(isRemoval).length
  const isAbsenceKnown = removals === 0 || (await showsAbsence(context, name, epoch, signal))
  if (isAbsenceKnown) context.memory.held.delete(name)
  else context.memory.held.set(name, removals)
  const steps = planned.steps.filter((step) => isTrusted(step, believed && isAbsenceKnown, unknown))
  // It begins anew above: nothing is removed here because it does not show then what it showed before.
  if (unknown && steps.some(({ step }) => step.kind === 'copyUp')) await disownUnchanged(context, facts)
  const job = createJob(context, above, wants)
  const listsDigests = view ? view.digests !== undefined : !rules && !(unknown instanceof ParentError)
  const isAllRead = !view || view.unknown.size === 0
  const executing = executeContext(context, name, { job, epoch, wants, listsDigests, isAllRead, signal })
  const carried = await carryOut(context, executing, steps, signal)
  const companions =
    view && selection
      ? await bringCompanions(context, { facts: { ...facts, view }, selection, executing, signal })
      : noCompanions
  const failed = [...carried, ...companions.failed]
  if (rules && mode === 'ReadOnly') await forgetDigests(context, name, agreed)
  const referrers = view ? await settleReferrers(context, name, view, job, signal) : job.broken
  if (unknown && agreed.size > 0) throw unknown

  const failures = [...detailsOf(name, failed), ...referrers, ...asked.details]
  const details = [...unknownTags(name, view, companions), ...(believed ? [] : [shrunkDetail(name)]), ...failures]
  const listing = view?.listing
  const isSettled = details.length === 0 && isAbsenceKnown
  if (listing && isSettled) await bases.saveLooked(name, listing.looked)
  if (view || !isSettled) memory.views.set(name, isSettled ? listing : undefined)
  if (view && isSettled) memory.unfinished.delete(name)
  else if (view) memory.unfinished.add(name)
  const unread = view?.unknown.size ?? 0
  const wanted = view ? view.tags.size + (view.digests?.size ?? 0) + unread : agreed.size
  const missing = unread + failed.filter(({ planned: { step } }) => step.kind === 'copyDown').length
  const problem = details[0]?.description
  board.synced({ name, wanted, have: wanted - missing, ...(problem ? { problem } : { lastSync: at }) })
  return details
}

/** What changed here keeps its base, by which it is told above. */
async function disownUnchanged({ bases }: RepositoryContext, { repository, bases: known, outbound }: RepositoryFacts) {
  const unchanged = Array.from(known).filter(([reference]) => !outbound.has(reference))
  const batches = unchanged.map(([reference, { digest }]) => bases.disowned(repository, reference, digest))
  if (batches.length > 0) await bases.commit(together(...batches))
}

/** Where rules choose among the tags, a manifest is no reference of its own any more: without a tag it may go. */
async function forgetDigests({ bases }: RepositoryContext, name: string, agreed: ReadonlyMap<string, Digest>) {
  const digests = [...agreed.keys()].filter((reference) => parseDigest(reference))
  const remove = digests.flatMap((digest) => bases.forgotten(name, digest).remove ?? [])
  if (remove.length > 0) await bases.commit({ remove })
}

interface Sight {
  /** Undefined: nothing changed above, or it is unknown there. */
  readonly view: ParentView | undefined
  /** Why it is unknown. A repository that clients made here is, until it is pushed up. */
  readonly unknown?: unknown
}

interface LookAt {
  readonly epoch: string
  readonly outbound: ReadonlyMap<string, OutboundRecord>
  readonly selection: Selection | undefined
  readonly signal: AbortSignal
}

async function lookAbove(
  { bases, complete, thorough, memory }: RepositoryContext,
  above: ParentRepository,
  { epoch, outbound, selection, signal }: LookAt
): Promise<Sight> {
  const isWhole = complete || memory.unfinished.has(above.name)
  const previous = isWhole ? undefined : await bases.looked(above.name)
  const remembered = memory.views.get(above.name)
  const options = {
    epoch,
    previous,
    remembered,
    thorough: thorough || isDeleting(outbound),
    selection,
    signal
  }
  try {
    return { view: await look(above, options) }
  } catch (error) {
    if (outbound.size === 0 || codeOf(error) !== 'NAME_UNKNOWN') throw error
    return { view: undefined, unknown: error }
  }
}

/** Before a digest is deleted above, every tag there must be in view, also those that nobody here wants. */
function isDeleting(outbound: ReadonlyMap<string, OutboundRecord>): boolean {
  return Array.from(outbound.values()).some(({ removed, refusal }) => removed && !refusal)
}

async function allTags(
  { parent }: RepositoryContext,
  name: string,
  { outbound, view, signal }: Pick<LookAt, 'outbound' | 'signal'> & Sight
): Promise<ReadonlyMap<string, Digest> | undefined> {
  if (!view || !isDeleting(outbound)) return undefined
  if (view.listing) return new Map(Array.from(view.listing.tags, ([tag, { digest }]) => [tag, digest]))
  const others = await resolveTags(parent.repository(name), view.unwanted, signal)
  return view.unknown.size + others.unknown.size > 0 ? undefined : new Map([...view.tags, ...others.tags])
}

/** Nothing follows from what an unknown repository does not show, except that there is room for what is new. */
function isTrusted(planned: PlannedStep, believed: boolean, unknown: unknown): boolean {
  if (unknown !== undefined) return planned.step.kind === 'copyUp' || isPushedAndGone(planned)
  return believed || !isRemoval(planned)
}

function isPushedAndGone({ step, record }: PlannedStep): boolean {
  return step.kind === 'forget' && record?.known !== true
}

interface Executing {
  readonly epoch: string
  readonly job: CopyJob
  readonly wants: PlatformChoice | undefined
  readonly listsDigests: boolean
  readonly isAllRead: boolean
  readonly signal: AbortSignal
}

function executeContext(context: RepositoryContext, name: string, { signal, ...executing }: Executing): ExecuteContext {
  const { registry, bases, outbound, parent, now } = context
  const { registryName } = parent
  const up = createUpJob(context, name, signal)
  return { ...executing, registry, bases, outbound, up, repository: name, registryName, now }
}

/** A repository that suddenly lost most of what was agreed on is believed only when it says so twice. */
function isBelieved({ shrunk }: RoundMemory, name: string, isShrunk: boolean): boolean {
  if (!isShrunk) shrunk.delete(name)
  if (!isShrunk || shrunk.has(name)) return true
  shrunk.add(name)
  return false
}

function createJob(
  { registry, transfers, board, places }: RepositoryContext,
  above: ParentRepository,
  wants: ChildChoice | undefined
): CopyJob & { broken: NewDetail[] } {
  const { name } = above
  const broken: NewDetail[] = []
  return {
    source: above,
    target: createLocalTarget({ registry, transfers, wants }, name),
    wants,
    manifests: new Map(),
    blobs: new Map(),
    settled: new Set(),
    memory: places.memory,
    places: places.manifests,
    onManifest: () => board.arrived({ artifacts: 1 }),
    onMissing: ({ size }) => board.arrived({ missingBytes: size }),
    onBrokenReferrer: (subject, error) => broken.push(detailOf(error, `referrer of ${name}@${subject}`)),
    broken
  }
}

/** What the disk cannot take has one cause, however many references it is. */
function detailsOf(name: string, failed: readonly FailedStep[]): readonly NewDetail[] {
  const details = failed.map(({ detail }) => detail)
  const [first, ...others] = failed.filter(({ detail }) => detail.code === 'DiskError')
  if (!first || others.length === 0) return details
  const reason = first.detail.description.slice(`${name}:${first.planned.reference}: `.length)
  const description = `${name}: ${others.length + 1} references wait for room: ${reason}`
  return [...details.filter(({ code }) => code !== 'DiskError'), { ...first.detail, description }]
}

function unknownTags(name: string, view: ParentView | undefined, companions: Pick<ParentView, 'unknown'>): NewDetail[] {
  const unknown = [...(view?.unknown ?? []), ...companions.unknown]
  return unknown.map(([tag, reason]) =>
    reason === undefined
      ? {
          type: 'Content',
          code: 'MANIFEST_UNKNOWN',
          description: `${name}:${tag} is listed by the parent but not there`
        }
      : detailOf(reason, `${name}:${tag}`)
  )
}

function shrunkDetail(name: string): NewDetail {
  const description = `${name}: the parent shows less than half of what it had; nothing is removed until it says so again`
  return { type: 'Parent', code: 'PARENT_SHRUNK', description }
}
