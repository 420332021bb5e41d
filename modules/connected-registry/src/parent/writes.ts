import type { StoredManifest } from '../protocol/content.ts'
import { type Digest, parseDigest } from '../protocol/digest.ts'
import { formatReference, type Reference } from '../protocol/reference.ts'
import { type Answer, badAnswer, discard, headerOf, refusal } from './answer.ts'
import { ParentError } from './parent-error.ts'
import { type ParentLink, scopes, urlOf } from './parent-link.ts'

/** The parent's catalog, changed. ParentError REFUSED: it has heard us and will not; anything else may be another time. */
export interface ParentWriter {
  putManifest(reference: Reference, manifest: StoredManifest, signal: AbortSignal): Promise<void>
  /** The tag alone. Already gone is done. */
  removeTag(tag: string, signal: AbortSignal): Promise<void>
  /** The manifest, and with it every tag that points at it. Already gone is done. */
  removeManifest(digest: Digest, signal: AbortSignal): Promise<void>
}

/** `untag`: whether this parent untags by ACR's API, where `DELETE manifests/<tag>` is not supported. */
export function createParentWriter(
  link: ParentLink,
  repository: string,
  isAcr: (signal: AbortSignal) => Promise<boolean>
): ParentWriter {
  const remove = (operation: string, path: string, signal: AbortSignal) => {
    const url = urlOf(link, path)
    const request = { operation, method: 'DELETE', url, scope: scopes.remove(repository), signal } as const
    return link.authentication.request(request, removed)
  }
  return {
    putManifest(reference, { descriptor, bytes }, signal) {
      const url = urlOf(link, `/v2/${repository}/manifests/${formatReference(reference)}`)
      const headers = { 'content-type': descriptor.mediaType, 'content-length': String(bytes.byteLength) }
      const request = { operation: 'push', method: 'PUT', url, headers, body: bytes, signal } as const
      return link.authentication.request({ ...request, scope: scopes.push(repository) }, (answer) =>
        accepted(answer, descriptor.digest)
      )
    },
    async removeTag(tag, signal) {
      const path = (await isAcr(signal)) ? `/acr/v1/${repository}/_tags/${tag}` : `/v2/${repository}/manifests/${tag}`
      await remove('untag', path, signal)
    },
    removeManifest: (digest, signal) => remove('delete', `/v2/${repository}/manifests/${digest}`, signal)
  }
}

/** A digest in the answer that is another one than ours: what it holds is not what we sent. */
export async function accepted(answer: Answer, digest: Digest): Promise<void> {
  if (answer.status < 200 || answer.status > 299) throw await changeRefusal(answer)
  const named = headerOf(answer, 'docker-content-digest')
  await discard(answer)
  if (named !== undefined && parseDigest(named) !== digest)
    throw badAnswer(answer, 'its Docker-Content-Digest is not ours')
}

const unknownCodes: readonly (string | undefined)[] = ['MANIFEST_UNKNOWN', 'TAG_UNKNOWN', 'NAME_UNKNOWN', 'NOT_FOUND']

async function removed(answer: Answer): Promise<void> {
  if (answer.status >= 200 && answer.status <= 299) return discard(answer)
  const error = await changeRefusal(answer)
  if (error.status !== 404 || !unknownCodes.includes(error.parentCode)) throw error
}

// Quota and size (413, 507), rights (403), immutable tags (405, 409), manifests it does not take (400, 422).
const refusedStatus: readonly number[] = [400, 403, 405, 409, 413, 415, 422, 501, 507]

/** What an answer to a change means: REFUSED where asking again would only be told the same. */
export async function changeRefusal(answer: Answer): Promise<ParentError> {
  const error = await refusal(answer)
  const { operation, url, status } = answer
  const { parentCode } = error
  // Without a code in the registry's own words a 404 may be anybody's: a portal, a proxy, a wrong path.
  const isRefused = refusedStatus.includes(status) || (status === 404 && parentCode !== undefined)
  return isRefused ? new ParentError('REFUSED', { operation, url, status, parentCode }) : error
}
