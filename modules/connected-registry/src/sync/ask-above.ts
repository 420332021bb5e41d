import type { ParentRepository } from '../parent/parent-registry.ts'
import { unlessNew } from '../parent/parent-target.ts'
import { type Digest, parseDigest } from '../protocol/digest.ts'
import type { ParentView } from './look.ts'
import type { OutboundRecord } from './outbound.ts'
import { inParallel } from './places.ts'
import { detailOf, isLinkFailure } from './problems.ts'
import type { NewDetail } from './status.ts'

const parallelQuestions = 8

export interface Asked {
  readonly places: ReadonlyMap<string, Digest | null>
  readonly details: readonly NewDetail[]
}

/** What the parent has under a reference now. A repository that it does not know holds nothing yet. */
export async function askAbove(
  repository: ParentRepository,
  reference: string,
  signal: AbortSignal
): Promise<Digest | null> {
  const digest = parseDigest(reference)
  const found = await unlessNew(() =>
    digest ? repository.resolveDigest(digest, signal) : repository.resolveTag(reference, signal)
  )
  return found?.digest ?? null
}

/** Of what changed here, the references that the view does not tell. What the parent has refused is not asked for again. */
export async function askAboutChanges(
  repository: ParentRepository,
  outbound: ReadonlyMap<string, OutboundRecord>,
  view: ParentView | undefined,
  signal: AbortSignal
): Promise<Asked> {
  const wanted = Array.from(outbound).flatMap(([reference, { refusal }]) => {
    const isTold = parseDigest(reference) ? view?.digests !== undefined : view && !view.unwanted.has(reference)
    return refusal || isTold ? [] : [reference]
  })
  const places = new Map<string, Digest | null>()
  const details: NewDetail[] = []
  await inParallel(wanted, parallelQuestions, async (reference) => {
    try {
      places.set(reference, await askAbove(repository, reference, signal))
    } catch (error) {
      signal.throwIfAborted()
      if (isLinkFailure(error)) throw error
      details.push(detailOf(error, `${repository.name}:${reference}`))
    }
  })
  return { places, details }
}
