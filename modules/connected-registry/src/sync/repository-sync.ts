import { carryOut } from './carry-out.ts'
import type { CopyJob } from './copy.ts'
import { settleReferrers } from './late-referrers.ts'
import { createLocalTarget } from './local-target.ts'
import { look, type ParentView } from './look.ts'
import { codeOf, describe, detailOf, isContact, isLinkFailure } from './problems.ts'
import type { RepositoryContext, RoundMemory } from './repository-context.ts'
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
  const { bases, board, parent, complete, thorough, memory, now } = context
  const at = now().toISOString()
  const previous = complete ? undefined : await bases.looked(name)
  const remembered = memory.views.get(name)
  const wanted = { epoch: parent.epoch, previous, remembered, thorough, signal }
  const view = await look(parent.repository(name), wanted)
  const agreed = await bases.read(name, parent.epoch)
  if (!view) {
    board.synced({ name, wanted: agreed.size, have: agreed.size, lastSync: at })
    return []
  }

  const planned = await planRepository(context, name, view, agreed)
  const believed = isBelieved(context.memory, name, planned.shrunk)
  const steps = believed ? planned.steps : planned.steps.filter((step) => !isRemoval(step))
  const job = createJob(context, name)
  const failed = await carryOut(context, name, job, steps, signal)
  const referrers = await settleReferrers(context, name, view, job, signal)

  const failures = [...failed.map(({ detail }) => detail), ...referrers]
  const details = [...unknownTags(name, view), ...(believed ? [] : [shrunkDetail(name)]), ...failures]
  if (view.looked && details.length === 0) await bases.saveLooked(name, view.looked)
  memory.views.set(name, details.length === 0 ? view : undefined)
  const references = view.tags.size + (view.digests?.size ?? 0) + view.unknown.size
  const missing = view.unknown.size + failed.filter(({ planned }) => !isRemoval(planned)).length
  const problem = details[0]?.description
  board.synced({ name, wanted: references, have: references - missing, ...(problem ? { problem } : { lastSync: at }) })
  return details
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
  name: string
): CopyJob & { broken: NewDetail[] } {
  const broken: NewDetail[] = []
  return {
    source: parent.repository(name),
    target: createLocalTarget(registry, transfers, name),
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
