import type { StoredManifest } from '../protocol/content.ts'
import type { Descriptor } from '../protocol/descriptor.ts'
import { algorithmOf, type Digest, digestOf, parseDigest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import { type Manifest, manifestSizeLimit, parseManifest } from '../protocol/manifest.ts'
import { essence, manifestMediaTypes } from '../protocol/media-types.ts'
import { formatReference, type Reference } from '../protocol/reference.ts'
import { type Answer, badAnswer, discard, headerOf, readBody, refusal } from './answer.ts'
import { ParentError } from './parent-error.ts'
import { type ParentLink, scopes, urlOf } from './parent-link.ts'

export interface ManifestRequest {
  readonly repository: string
  readonly reference: Reference
  readonly signal: AbortSignal
}

/** Undefined: the registry itself says that it is not there. Its bytes are those of its digest. */
export async function getManifest(link: ParentLink, request: ManifestRequest): Promise<StoredManifest | undefined> {
  return link.authentication.request(requestFor(link, 'GET', request), (answer) => manifestIn(link, answer, request))
}

/** What a reference names now; with the manifest, where that came along. */
export interface Seen {
  readonly digest: Digest
  readonly manifest?: StoredManifest
}

/**
 * Whether a tag still names `known`: by a condition (RFC 9110, section 13.1.2), so that what it names else comes with the answer,
 * which costs no other round trip; by HEAD once the parent has shown that it knows no conditions. Undefined as in `getManifest`.
 */
export async function lookAgain(link: ParentLink, request: ManifestRequest, known: Digest): Promise<Seen | undefined> {
  const { conditions } = link
  if (conditions.areIgnored) return headManifest(link, request)
  const { headers, ...asked } = requestFor(link, 'GET', request)
  const conditional = { ...asked, headers: { ...headers, 'if-none-match': `"${known}"` } }
  return link.authentication.request(conditional, async (answer) => {
    if (answer.status === 304) {
      await discard(answer)
      return { digest: known }
    }
    const manifest = await manifestIn(link, answer, request)
    if (manifest?.descriptor.digest === known) conditions.areIgnored = true
    return manifest && { digest: manifest.descriptor.digest, manifest }
  })
}

async function manifestIn(
  link: ParentLink,
  answer: Answer,
  { reference, signal }: ManifestRequest
): Promise<StoredManifest | undefined> {
  if (answer.status !== 200) return absent(answer)
  const bytes = await readManifestBody(link, answer, signal)
  const digest = verifiedDigest(answer, reference, bytes)
  const { mediaType } = readManifest(answer, bytes)
  return { descriptor: { mediaType, digest, size: bytes.byteLength }, bytes }
}

/**
 * Within the budget of the link: answers wait with their bodies unread, requests go on side by side, and small manifests come so
 * too. Throws as `readBody`, and the signal's reason.
 */
export async function readManifestBody(
  { manifestBytes }: ParentLink,
  answer: Answer,
  signal: AbortSignal
): Promise<Uint8Array> {
  const release = await manifestBytes.hold(declaredSize(answer), signal).catch((error: unknown) => {
    answer.close()
    throw error
  })
  return readBody(answer, manifestSizeLimit).finally(release)
}

/** What does not tell may be as long as any. */
function declaredSize(answer: Answer): number {
  return Math.min(lengthIn(answer) ?? manifestSizeLimit, manifestSizeLimit)
}

function lengthIn(answer: Answer): number | undefined {
  const length = headerOf(answer, 'content-length') ?? ''
  return /^\d{1,15}$/.test(length) ? Number(length) : undefined
}

/** What the reference names now, by HEAD where the parent tells enough in headers. Undefined as in `getManifest`. */
export async function headManifest(link: ParentLink, request: ManifestRequest): Promise<Descriptor | undefined> {
  const described = await link.authentication.request(requestFor(link, 'HEAD', request), async (answer) => {
    // Without a body a 404 says neither what is unknown nor who says so.
    if (answer.status !== 200 && answer.status !== 404 && answer.status !== 405) throw await refusal(answer)
    await discard(answer)
    return answer.status === 200 ? descriptorIn(answer) : undefined
  })
  return described ?? (await getManifest(link, request))?.descriptor
}

/** Throws ParentError BAD_ANSWER where it is no manifest we can serve. */
export function readManifest(answer: Answer, bytes: Uint8Array): Manifest {
  try {
    return parseManifest(bytes, headerOf(answer, 'content-type'))
  } catch (cause) {
    if (cause instanceof RegistryError) throw badAnswer(answer, 'it is no manifest that is supported', cause)
    throw cause
  }
}

function requestFor(link: ParentLink, method: 'GET' | 'HEAD', { repository, reference, signal }: ManifestRequest) {
  return {
    operation: 'manifest',
    method,
    url: urlOf(link, `/v2/${repository}/manifests/${formatReference(reference)}`),
    scope: scopes.pull(repository),
    headers: { accept: manifestMediaTypes.join(', ') },
    signal
  }
}

// Harbor says NOT_FOUND. A 404 in other words may come from a proxy, a portal or a wrong path: it tells nothing.
const absentCodes: readonly (string | undefined)[] = ['MANIFEST_UNKNOWN', 'NOT_FOUND']

async function absent(answer: Answer): Promise<undefined> {
  const error = await refusal(answer)
  if (error.code !== 'NOT_FOUND' || !absentCodes.includes(error.parentCode)) throw error
}

function descriptorIn(answer: Answer): Descriptor | undefined {
  const digest = parseDigest(headerOf(answer, 'docker-content-digest') ?? '')
  const mediaType = essence(headerOf(answer, 'content-type') ?? '')
  const size = lengthIn(answer)
  return digest && mediaType && size !== undefined ? { mediaType, digest, size } : undefined
}

function verifiedDigest(answer: Answer, reference: Reference, bytes: Uint8Array): Digest {
  const header = headerOf(answer, 'docker-content-digest')
  const named = header === undefined ? undefined : parseDigest(header)
  if (header !== undefined && !named) throw badAnswer(answer, 'its Docker-Content-Digest is no digest')
  const asked = reference.kind === 'digest' ? reference.digest : undefined
  for (const digest of [asked, named]) if (digest) verify(answer, digest, bytes)
  return asked ?? named ?? digestOf(bytes)
}

function verify({ operation, url, status }: Answer, expected: Digest, bytes: Uint8Array): void {
  const actual = digestOf(bytes, algorithmOf(expected))
  if (actual === expected) return
  throw new ParentError('DIGEST_MISMATCH', { operation, url, status, detail: `expected ${expected}, it is ${actual}` })
}
