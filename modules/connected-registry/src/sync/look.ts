import type { RepositoryAttributes } from '../parent/metadata.ts'
import { ParentError } from '../parent/parent-error.ts'
import type { ParentRepository } from '../parent/parent-registry.ts'
import { type Digest, parseDigest } from '../protocol/digest.ts'
import type { Looked } from './bases.ts'
import { listEarly } from './early-tags.ts'
import { lookByMetadata } from './look-by-metadata.ts'
import { inParallel } from './places.ts'
import { isLinkFailure } from './problems.ts'
import type { Selection } from './selection.ts'

/** What the parent shows of a repository: a complete listing, or nothing at all (every failure is thrown). */
export interface ParentView {
  readonly tags: ReadonlyMap<string, Digest>
  /** Every manifest there is. Undefined: this parent lists tags only, so nothing follows from a digest's absence. */
  readonly digests?: ReadonlySet<Digest>
  /** Listed, but not to be had just now: nothing is planned for these. */
  readonly unknown: ReadonlyMap<string, unknown>
  /** Listed, and left out by the rules of the scope. */
  readonly unwanted: ReadonlySet<string>
  /** To be saved when the repository agrees with this view. Undefined: the parent has no such description. */
  readonly listing?: MetadataListing
  /** Whether the listing was read just now, because something happened. */
  readonly isNews: boolean
}

/** Everything in a repository when `looked` was true of it, by metadata. */
export interface MetadataListing {
  readonly tags: ReadonlyMap<string, ListedDigest>
  /** With the time of their creation, where the parent tells it. */
  readonly digests: ReadonlyMap<Digest, string | undefined>
  readonly looked: Looked
}

export interface ListedDigest {
  readonly digest: Digest
  readonly updatedAt: number
  /** The same as the parent wrote it, to a ten-millionth of a second. */
  readonly since: string
}

/**
 * Since when the parent has it so: when a manifest was created, when a tag was last put there. Two that differ are two pushes, though
 * of the same digest; nothing else follows from it. Undefined: the parent does not tell, or not of what it has now.
 */
export function sinceAbove(view: ParentView | undefined, reference: string, now: Digest | null): string | undefined {
  const digest = parseDigest(reference)
  if (digest) return now === null ? undefined : view?.listing?.digests.get(digest)
  const tag = view?.listing?.tags.get(reference)
  return tag && tag.digest === now ? tag.since : undefined
}

export interface LookOptions {
  readonly epoch: string
  /** What was seen when the repository last agreed whole; left out for a full comparison. */
  readonly previous?: Looked
  /** The listing that went with it, where it is remembered: then only what is newer is asked for. */
  readonly remembered?: MetadataListing
  /** Give the remembered listing also where nothing changed, to compare it with what is here. */
  readonly thorough?: boolean
  /** Undefined: everything is wanted. Else tags alone are looked at, and nothing is said of manifests without one. */
  readonly selection?: Selection
  readonly signal: AbortSignal
}

const parallelTags = 24

/**
 * Undefined: nothing changed since `previous`. A parent that may have no metadata is asked for its tags at the same time, a round
 * trip less before anything comes.
 */
export async function look(repository: ParentRepository, options: LookOptions): Promise<ParentView | undefined> {
  const { signal } = options
  const isKnown = repository.isMetadataKnown()
  const asked = repository.attributes(signal)
  const early = isKnown ? undefined : listEarly(repository, signal)
  try {
    const attributes = await asked
    if (attributes !== 'unsupported') return await lookByAttributes(repository, attributes, options)
    return await lookByTags(repository, early?.tags ?? repository.listTags(signal), options)
  } finally {
    await early?.end()
  }
}

async function lookByAttributes(
  repository: ParentRepository,
  attributes: RepositoryAttributes | undefined,
  options: LookOptions
): Promise<ParentView | undefined> {
  const { epoch, previous, thorough = false, signal } = options
  if (!attributes) throw new RepositoryUnknownError(repository.name)
  const looked: Looked = { epoch, ...attributes }
  const isUnchanged = previous !== undefined && isSame(previous, looked)
  const remembered = previous && isKnown(options.remembered, previous) ? options.remembered : undefined
  if (isUnchanged && !thorough) return undefined
  if (isUnchanged && remembered) return viewOf(remembered, options, false)
  return viewOf(await lookByMetadata(repository, { looked, remembered, signal }), options, true)
}

async function viewOf(listing: MetadataListing, { selection }: LookOptions, isNews: boolean): Promise<ParentView> {
  const { tags, digests } = listing
  const common = { unknown: new Map(), listing, isNews }
  const digestsOf = (names: Iterable<string>) => new Map(Array.from(names, (name) => [name, tags.get(name)!.digest]))
  const all = () => ({ tags: digestsOf(tags.keys()), digests: new Set(digests.keys()) })
  if (!selection) return { ...common, ...all(), unwanted: new Set() }
  const chosen = selection.choose(Array.from(tags, ([name, { updatedAt }]) => ({ name, updatedAt })))
  const rest = without(tags.keys(), chosen)
  const companions = await selection.companions(rest, digestsOf(chosen).values())
  return { ...common, tags: digestsOf([...chosen, ...companions]), unwanted: without(rest, new Set(companions)) }
}

function without(names: Iterable<string>, others: ReadonlySet<string>): ReadonlySet<string> {
  return new Set(Array.from(names).filter((name) => !others.has(name)))
}

function isKnown(remembered: MetadataListing | undefined, previous: Looked): boolean {
  return remembered !== undefined && isSame(remembered.looked, previous)
}

function isSame(a: Looked, b: Looked): boolean {
  return (
    a.epoch === b.epoch &&
    a.lastUpdateTime === b.lastUpdateTime &&
    a.tagCount === b.tagCount &&
    a.manifestCount === b.manifestCount
  )
}

async function lookByTags(
  repository: ParentRepository,
  list: AsyncIterable<string>,
  { selection, signal }: LookOptions
): Promise<ParentView> {
  const names: string[] = []
  for await (const tag of list) names.push(tag)
  const common = { isNews: false }
  if (!selection) return { ...common, ...(await resolveTags(repository, names, signal)), unwanted: new Set() }
  const chosen = selection.choose(names.map((name) => ({ name })))
  const rest = without(names, chosen)
  const found = await resolveTags(repository, chosen, signal)
  // A tag that cannot be read just now still names what it did, as far as anybody here knows.
  const wanted = [...found.tags.values(), ...selection.agreed(found.unknown.keys())]
  const companions = await selection.companions(rest, wanted)
  const more = await resolveTags(repository, companions, signal)
  return {
    ...common,
    tags: new Map([...found.tags, ...more.tags]),
    unknown: new Map([...found.unknown, ...more.unknown]),
    unwanted: without(rest, new Set(companions))
  }
}

/** What the tags name now, by a request each. */
export async function resolveTags(
  repository: ParentRepository,
  names: Iterable<string>,
  signal: AbortSignal
): Promise<Pick<ParentView, 'tags' | 'unknown'>> {
  const tags = new Map<string, Digest>()
  const unknown = new Map<string, unknown>()
  await inParallel([...names], parallelTags, async (tag) => {
    const found = await resolve(repository, tag, signal)
    if ('digest' in found) tags.set(tag, found.digest)
    else unknown.set(tag, found.reason)
  })
  return { tags, unknown }
}

type Resolved = { readonly digest: Digest } | { readonly reason: unknown }

/** One tag that cannot be read must not hold up the others; a parent that cannot be reached ends the look. */
async function resolve(repository: ParentRepository, tag: string, signal: AbortSignal): Promise<Resolved> {
  try {
    const descriptor = await repository.resolveTag(tag, signal)
    return descriptor ? { digest: descriptor.digest } : { reason: undefined }
  } catch (error) {
    signal.throwIfAborted()
    if (endsLook(error)) throw error
    return { reason: error }
  }
}

/** A server error is an answer to this one tag; silence, throttling and refused credentials are about all of them. */
function endsLook(error: unknown): boolean {
  if (!(error instanceof ParentError) || isLinkFailure(error) || error.code === 'UNAUTHORIZED') return true
  return error.retryable && error.code !== 'SERVER_ERROR'
}

/** The parent's metadata does not know the repository. That is not the same as empty: nothing follows from it. */
export class RepositoryUnknownError extends Error {
  override readonly name = 'RepositoryUnknownError'
  readonly code = 'NAME_UNKNOWN'

  constructor(repository: string) {
    super(`the parent does not know ${repository}`)
  }
}
