import type { Seen } from '../parent/manifests.ts'
import { ParentError } from '../parent/parent-error.ts'
import type { ParentRepository } from '../parent/parent-registry.ts'
import { unlessNew } from '../parent/parent-target.ts'
import { type Digest, parseDigest } from '../protocol/digest.ts'
import type { Registry } from '../registry/registry.ts'
import type { ParentView } from './look.ts'
import type { OutboundRecord } from './outbound.ts'
import { inParallel } from './places.ts'
import { detailOf, isLinkFailure } from './problems.ts'
import type { NewDetail } from './status.ts'
import type { ParentPlace } from './steps.ts'

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
  const found = await unlessNew(
    (): Promise<Seen | undefined> =>
      digest ? repository.resolveDigest(digest, signal) : repository.resolveTag(reference, signal)
  )
  return found?.digest ?? null
}

/** Undefined: it was not told which tags point at a digest. */
export type PlaceWithTags = ParentPlace & { readonly tags?: readonly string[] }

/** The same with its creation (`sinceAbove`) and tags, in one request too where the parent has ACR's metadata. */
export async function askCreation(
  repository: ParentRepository,
  reference: string,
  signal: AbortSignal
): Promise<PlaceWithTags> {
  try {
    const digest = parseDigest(reference)
    if (!digest) {
      const tag = await repository.tagEntry(reference, signal)
      return { parent: tag?.digest ?? null, since: tag?.lastUpdateTime }
    }
    const manifest = await repository.manifestEntry(digest, signal)
    return { parent: manifest ? digest : null, since: manifest?.createdTime, tags: manifest?.tags ?? [] }
  } catch (error) {
    signal.throwIfAborted()
    // What may pass is waited for: without the time somebody's push might be deleted.
    if (!(error instanceof ParentError) || error.retryable || isLinkFailure(error)) throw error
    // It tells this in its lists alone: what is there now it says as every registry does.
    return { parent: await askAbove(repository, reference, signal) }
  }
}

export interface Changes {
  readonly outbound: ReadonlyMap<string, OutboundRecord>
  readonly view: ParentView | undefined
  /** Of this epoch. */
  readonly agreed: ReadonlyMap<string, Digest>
  readonly registry: Registry
}

/**
 * Of what changed here, the references that the view does not tell. What the parent has refused is not asked for again. What only has
 * to go up is taken to be there as it was: before it is sent the parent is asked for it anyway, and over a link that is there for
 * seconds a thousand questions at the beginning would leave no time for anything else, round after round.
 */
export async function askAboutChanges(
  repository: ParentRepository,
  { outbound, view, agreed, registry }: Changes,
  signal: AbortSignal
): Promise<Asked> {
  const wanted = Array.from(outbound).flatMap(([reference, { refusal }]) => {
    const isTold = parseDigest(reference) ? view?.digests !== undefined : view && !view.unwanted.has(reference)
    return refusal || isTold ? [] : [reference]
  })
  const places = new Map<string, Digest | null>()
  const details: NewDetail[] = []
  await inParallel(wanted, parallelQuestions, async (reference) => {
    const base = agreed.get(reference) ?? null
    if (await goesUp(registry, repository.name, reference, base)) {
      places.set(reference, base)
      return
    }
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

/** It is here, and not as both agreed on it. */
async function goesUp({ manifests, tags }: Registry, repository: string, reference: string, base: Digest | null) {
  const digest = parseDigest(reference)
  if (!digest) {
    const held = await tags.get(repository, reference)
    return held !== undefined && held.digest !== base
  }
  return base === null && (await manifests.stat(repository, { kind: 'digest', digest })) !== undefined
}
