import type { ChildChoice } from '../protocol/descriptor.ts'
import { type Digest, parseDigest } from '../protocol/digest.ts'
import { carryOut } from './carry-out.ts'
import { bringCompanions } from './companions.ts'
import type { CopyJob } from './copy.ts'
import { settleReferrers } from './late-referrers.ts'
import { createLocalTarget } from './local-target.ts'
import { look, type ParentView } from './look.ts'
import { chooseChildren } from './platforms.ts'
import { codeOf, describe, detailOf, isContact, isLinkFailure } from './problems.ts'
import type { RepositoryContext, RoundMemory } from './repository-context.ts'
import { rulesFor } from './scope-rules.ts'
import { createSelection } from './selection.ts'
import type { NewDetail } from './status.ts'
import { isRemoval, planRepository } from './steps.ts'

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
  const { board, log } = context
  try {
    return { details: await agree(context, name, signal), reached: true }
  } catch (error) {
    signal.throwIfAborted()
    const isLinkDown = isLinkFailure(error)
    // That there is no link is no trouble of the repository that happened to be next.
    if (!isLinkDown) board.synced({ ...board.repository(name), problem: describe(error) })
    log.warn({ repository: name, code: codeOf(error), reason: describe(error) }, 'repository not synced')
    return { details: [detailOf(error, name)], reached: isContact(error), isLinkDown }
  }
}

async function agree(context: RepositoryContext, name: string, signal: AbortSignal): Promise<readonly NewDetail[]> {
  const { bases, board, parent, registry, mode, complete, thorough, memory, now } = context
  const at = now().toISOString()
  const previous = complete ? undefined : await bases.looked(name)
  const remembered = memory.views.get(name)
  const agreed = await bases.read(name, parent.epoch)
  const rules = rulesFor(context.patterns, name)
  const wants = rules?.platforms && chooseChildren(rules.platforms)
  const selection = rules && (await createSelection({ registry, mode, repository: name, bases: agreed }, rules.tags))
  const view = await look(parent.repository(name), {
    ...{ epoch: parent.epoch, previous, remembered, thorough, selection, signal }
  })
  if (!view) {
    board.synced({ name, wanted: agreed.size, have: agreed.size, lastSync: at })
    return []
  }

  const planned = await planRepository({ registry, mode, wants }, name, view, agreed)
  const believed = isBelieved(context.memory, name, planned.shrunk)
  const steps = believed ? planned.steps : planned.steps.filter((step) => !isRemoval(step))
  const job = createJob(context, name, wants)
  const carried = await carryOut(context, name, job, steps, signal)
  const companions = selection && (await bringCompanions(context, { name, view, selection, agreed, job, signal }))
  const failed = [...carried, ...(companions ?? [])]
  if (rules && mode === 'ReadOnly') await forgetDigests(context, name, agreed)
  const referrers = await settleReferrers(context, name, view, job, signal)

  const failures = [...failed.map(({ detail }) => detail), ...referrers]
  const details = [...unknownTags(name, view), ...(believed ? [] : [shrunkDetail(name)]), ...failures]
  const { listing } = view
  if (listing && details.length === 0) await bases.saveLooked(name, listing.looked)
  memory.views.set(name, details.length === 0 ? listing : undefined)
  const references = view.tags.size + (view.digests?.size ?? 0) + view.unknown.size
  const missing = view.unknown.size + failed.filter(({ planned }) => !isRemoval(planned)).length
  const problem = details[0]?.description
  board.synced({ name, wanted: references, have: references - missing, ...(problem ? { problem } : { lastSync: at }) })
  return details
}

/** Where rules choose among the tags, a manifest is no reference of its own any more: without a tag it may go. */
async function forgetDigests({ bases }: RepositoryContext, name: string, agreed: ReadonlyMap<string, Digest>) {
  const digests = [...agreed.keys()].filter((reference) => parseDigest(reference))
  const remove = digests.flatMap((digest) => bases.forgotten(name, digest).remove ?? [])
  if (remove.length > 0) await bases.commit({ remove })
}

/** A repository that suddenly lost most of what was agreed on is believed only when it says so twice. */
function isBelieved({ shrunk }: RoundMemory, name: string, isShrunk: boolean): boolean {
  if (!isShrunk) shrunk.delete(name)
  if (!isShrunk || shrunk.has(name)) return true
  shrunk.add(name)
  return false
}

function createJob(
  { registry, transfers, parent, board }: RepositoryContext,
  name: string,
  wants: ChildChoice | undefined
): CopyJob & { broken: NewDetail[] } {
  const broken: NewDetail[] = []
  return {
    source: parent.repository(name),
    target: createLocalTarget({ registry, transfers, wants }, name),
    wants,
    manifests: new Map(),
    blobs: new Map(),
    onManifest: () => board.arrived({ artifacts: 1 }),
    onMissing: ({ size }) => board.arrived({ missingBytes: size }),
    onBrokenReferrer: (subject, error) => broken.push(detailOf(error, `referrer of ${name}@${subject}`)),
    broken
  }
}

function unknownTags(name: string, view: ParentView): NewDetail[] {
  return Array.from(view.unknown, ([tag, reason]) =>
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
