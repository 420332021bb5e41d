import { referrersTag } from '../protocol/companion-tag.ts'
import type { Descriptor } from '../protocol/descriptor.ts'
import type { Digest } from '../protocol/digest.ts'
import { parseManifest } from '../protocol/manifest.ts'
import { essence, mediaTypes } from '../protocol/media-types.ts'
import { type Answer, headerOf } from './answer.ts'
import { getManifest, readManifest, readManifestBody } from './manifests.ts'
import { pages } from './pages.ts'
import { ParentError } from './parent-error.ts'
import { type ParentLink, scopes, urlOf } from './parent-link.ts'

export interface ReferrersRequest {
  readonly repository: string
  readonly subject: Digest
  readonly signal: AbortSignal
}

/** How the parent answered when it was last asked for referrers. */
export interface ReferrersApi {
  isMissing: boolean
}

const referrerLimit = 10_000

/**
 * Descriptors of the manifests about `subject`, from the parent's referrers API or from the tag that stands in for it. A parent
 * that lacked the API is asked for both at once: what it says of the API counts each time.
 */
export async function listReferrers(link: ParentLink, request: ReferrersRequest): Promise<readonly Descriptor[]> {
  const { referrersApi } = link
  const tagged = referrersApi.isMissing ? fromFallbackTag(link, request) : undefined
  // Where the API answers nobody waits for the tag, nor minds how that went.
  tagged?.catch(() => undefined)
  const found = await fromApi(link, request)
  referrersApi.isMissing = found === undefined
  return found ?? tagged ?? fromFallbackTag(link, request)
}

async function fromApi(link: ParentLink, request: ReferrersRequest): Promise<readonly Descriptor[] | undefined> {
  const { repository, subject, signal } = request
  const path = `/v2/${repository}/referrers/${subject}`
  const found: Descriptor[] = []
  const list = pages(link, {
    operation: 'referrers',
    path,
    scope: scopes.pull(repository),
    headers: { accept: mediaTypes.ociIndex },
    signal,
    read: (answer) => readReferrers(link, answer, signal)
  })
  try {
    for await (const page of list) {
      found.push(...page)
      if (found.length > referrerLimit) throw tooMany(link, path)
    }
    return found
  } catch (error) {
    if (found.length === 0 && saysUnsupported(error)) return undefined
    throw error
  }
}

function tooMany(link: ParentLink, path: string): ParentError {
  const detail = `there are more than ${referrerLimit}`
  return new ParentError('BAD_ANSWER', { operation: 'referrers', url: urlOf(link, path), detail })
}

async function readReferrers(link: ParentLink, answer: Answer, signal: AbortSignal): Promise<readonly Descriptor[]> {
  if (essence(headerOf(answer, 'content-type') ?? '') !== mediaTypes.ociIndex) {
    answer.close()
    throw new ParentError('UNSUPPORTED', { ...answer, detail: 'the answer is no index' })
  }
  return readManifest(answer, await readManifestBody(link, answer, signal)).manifests
}

// distribution-spec, "Listing Referrers": a registry with the API never answers 404 to it. Others have their own ways to say no.
function saysUnsupported(error: unknown): boolean {
  if (!(error instanceof ParentError)) return false
  const codes: readonly string[] = ['NOT_FOUND', 'UNSUPPORTED', 'REDIRECT_REFUSED']
  return codes.includes(error.code) || error.status === 400 || error.status === 406
}

// distribution-spec, "Referrers Tag Schema".
async function fromFallbackTag(link: ParentLink, request: ReferrersRequest): Promise<readonly Descriptor[]> {
  const { repository, subject, signal } = request
  const tag = referrersTag(subject)
  const stored = await getManifest(link, { repository, reference: { kind: 'tag', tag }, signal })
  return stored ? parseManifest(stored.bytes, stored.descriptor.mediaType).manifests : []
}
