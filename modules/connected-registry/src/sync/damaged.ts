import type { Digest } from '../protocol/digest.ts'
import { getLink } from '../registry/records.ts'
import type { BlobStore } from '../storage/blob-store.ts'
import { describe, detailOf, isLinkFailure } from './problems.ts'
import type { RepositoryContext } from './repository-context.ts'
import { isInScope } from './scope.ts'
import type { NewDetail } from './status.ts'

export interface DamagedContext extends RepositoryContext {
  readonly blobs: Pick<BlobStore, 'quarantined'>
}

/**
 * Brings anew what was set aside because it was damaged, from whichever repository of the parent has it. Until then pulls of it
 * fail, so that it comes before everything else. A detail for each that nobody above could give; link failures are thrown.
 */
export async function bringDamaged(context: DamagedContext, signal: AbortSignal): Promise<readonly NewDetail[]> {
  const details: NewDetail[] = []
  for (const digest of [...context.blobs.quarantined]) {
    const detail = await bringAnew(context, digest, signal)
    if (detail) details.push(detail)
  }
  return details
}

/** Undefined: it is here again, or no repository in scope holds it. */
async function bringAnew(context: DamagedContext, digest: Digest, signal: AbortSignal): Promise<NewDetail | undefined> {
  const { registry, patterns, log } = context
  let failure: NewDetail | undefined
  for await (const repository of registry.blobs.holders(digest)) {
    if (!isInScope(patterns, repository)) continue
    try {
      await bringFrom(context, repository, digest, signal)
      log.info({ repository, digest }, 'damaged content brought anew')
      return undefined
    } catch (error) {
      signal.throwIfAborted()
      if (isLinkFailure(error)) throw error
      log.warn({ repository, digest, reason: describe(error) }, 'damaged content not brought')
      failure ??= detailOf(error, `${repository}@${digest}, damaged`)
    }
  }
  return failure
}

async function bringFrom(
  { registry, records, transfers, parent, board }: DamagedContext,
  repository: string,
  digest: Digest,
  signal: AbortSignal
): Promise<void> {
  const link = await getLink(records, repository, digest)
  if (!link?.blob) return
  const { mediaType, size } = link
  board.arrived({ missingBytes: size })
  await registry.blobs.hold(digest, () =>
    transfers.bring({ mediaType, digest, size }, parent.repository(repository), signal)
  )
}
