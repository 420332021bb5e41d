import { ParentError } from '../parent/parent-error.ts'
import type { ParentRepository } from '../parent/parent-registry.ts'
import type { Digest } from '../protocol/digest.ts'
import type { Looked } from './bases.ts'
import { lookByMetadata } from './look-by-metadata.ts'
import { inParallel } from './places.ts'
import { isLinkFailure } from './problems.ts'

/** What the parent shows of a repository: a complete listing, or nothing at all (every failure is thrown). */
export interface ParentView {
  readonly tags: ReadonlyMap<string, Digest>
  /** Every manifest there is. Undefined: this parent lists tags only, so nothing follows from a digest's absence. */
  readonly digests?: ReadonlySet<Digest>
  /** Listed, but not to be had just now: nothing is planned for these. */
  readonly unknown: ReadonlyMap<string, unknown>
  /** To be saved when the repository agrees with this view. Undefined: the parent has no such description. */
  readonly looked?: Looked
}

/** A listing by metadata, which tells what was there when `looked` was true. */
export type MetadataView = ParentView & Required<Pick<ParentView, 'digests' | 'looked'>>

export interface LookOptions {
  readonly epoch: string
  /** What was seen when the repository last agreed whole; left out for a full comparison. */
  readonly previous?: Looked
  /** The listing that went with it, where it is remembered: then only what is newer is asked for. */
  readonly remembered?: MetadataView
  /** Give the remembered listing also where nothing changed, to compare it with what is here. */
  readonly thorough?: boolean
  readonly signal: AbortSignal
}

const parallelHeads = 8

/** Undefined: nothing changed since `previous`. */
export async function look(repository: ParentRepository, options: LookOptions): Promise<ParentView | undefined> {
  const { epoch, previous, thorough = false, signal } = options
  const attributes = await repository.attributes(signal)
  if (attributes === 'unsupported') return lookByTags(repository, signal)
  if (!attributes) throw new RepositoryUnknownError(repository.name)
  const looked: Looked = { epoch, ...attributes }
  const isUnchanged = previous !== undefined && isSame(previous, looked)
  const remembered = previous && isKnown(options.remembered, previous) ? options.remembered : undefined
  if (isUnchanged && (remembered || !thorough)) return thorough ? remembered : undefined
  return lookByMetadata(repository, { looked, remembered, signal })
}

function isKnown(remembered: MetadataView | undefined, previous: Looked): boolean {
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

async function lookByTags(repository: ParentRepository, signal: AbortSignal): Promise<ParentView> {
  const names: string[] = []
  for await (const tag of repository.listTags(signal)) names.push(tag)
  const tags = new Map<string, Digest>()
  const unknown = new Map<string, unknown>()
  await inParallel(names, parallelHeads, async (tag) => {
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
