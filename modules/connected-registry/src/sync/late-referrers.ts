import { type CopyJob, copyReferrers } from './copy.ts'
import { manifestsHere } from './local-catalog.ts'
import type { ParentView } from './look.ts'
import { inParallel } from './places.ts'
import { detailOf, isLinkFailure, isPassing } from './problems.ts'
import type { RepositoryContext } from './repository-context.ts'
import type { NewDetail } from './status.ts'

/**
 * Referrers are found with their subject when that arrives. Those attached later need another look at every manifest, where the
 * parent does not list them among its manifests.
 */
export async function settleReferrers(
  context: RepositoryContext,
  name: string,
  view: ParentView,
  job: CopyJob & { readonly broken: readonly NewDetail[] },
  signal: AbortSignal
): Promise<readonly NewDetail[]> {
  const { unsettled } = context.memory
  if (view.digests) return job.broken
  const isRoundDue = context.thorough && !view.listing
  const isDue = context.complete || isRoundDue || view.isNews || unsettled.has(name)
  const failures = isDue ? await bringLateReferrers(context, name, job, signal) : []
  const details = [...job.broken, ...failures]
  if (details.length > 0) unsettled.add(name)
  else if (isDue) unsettled.delete(name)
  return details
}

async function bringLateReferrers(context: RepositoryContext, name: string, job: CopyJob, signal: AbortSignal) {
  const { registry, places } = context
  const failures: NewDetail[] = []
  let isPointless = false
  await inParallel(manifestsHere(registry, name), places.references.count, async ({ digest }) => {
    // Of what has just arrived they were asked for a moment ago.
    if (isPointless || job.settled.has(digest)) return
    const leave = await places.references.take(signal)
    try {
      await copyReferrers(job, digest, signal)
    } catch (error) {
      signal.throwIfAborted()
      if (isLinkFailure(error)) throw error
      failures.push(detailOf(error, `referrers of ${name}@${digest}`))
      // It would be the same with the next one: better to ask again in another round.
      isPointless ||= isPassing(error)
    } finally {
      leave()
    }
  })
  return failures
}
