import type { StoredManifest } from '../../../modules/connected-registry/src/protocol/content.ts'
import {
  algorithmOf,
  type Digest,
  digestOf,
  parseDigest
} from '../../../modules/connected-registry/src/protocol/digest.ts'
import { isTag } from '../../../modules/connected-registry/src/protocol/reference.ts'
import { type Contents, documentOf, type ManifestDocument } from './contents.ts'
import { type Answer, type Call, empty, manifestUnknown, Refusal, unsupported } from './exchange.ts'

const sizeLimit = 4 * 1024 * 1024

export interface ManifestOptions {
  readonly contents: Contents
  /** ACR deletes the referrers of what is deleted, and untags by its own API only. */
  readonly acr: boolean
}

/** `/v2/<name>/manifests/<reference>` (distribution-spec, "Pulling manifests", "Pushing Manifests"). */
export function manifestHandlers({ contents, acr }: ManifestOptions) {
  const withReferrers = (repository: string, digest: Digest): readonly Digest[] => {
    const all = [...(contents.repository(repository)?.manifests.values() ?? [])]
    const about = all.filter((manifest) => documentOf(manifest).subject?.digest === digest)
    return [digest, ...about.flatMap(({ descriptor }) => withReferrers(repository, descriptor.digest))]
  }
  const removeByDigest = (repository: string, digest: Digest) => {
    for (const each of acr ? withReferrers(repository, digest) : [digest]) contents.deleteManifest(repository, each)
  }

  return {
    get({ repository, reference, headers }: Call): Answer {
      const found = contents.manifest(repository, reference)
      if (!found || !accepts(headers.accept, found.descriptor.mediaType)) throw manifestUnknown(reference)
      const answered = headersOf(found)
      if (headers['if-none-match'] === answered.etag) return empty(304, { etag: answered.etag })
      return { status: 200, headers: answered, body: found.bytes }
    },

    async put(call: Call): Promise<Answer> {
      const { repository, reference } = call
      const manifest = received(await call.body(), reference, call.headers['content-type'])
      const document = checked(manifest)
      const tag = isTag(reference) ? reference : undefined
      if (tag === undefined && !parseDigest(reference)) throw new Refusal(400, 'TAG_INVALID', 'invalid tag')
      for (const digest of missing(document, repository, contents)) {
        throw new Refusal(404, 'MANIFEST_BLOB_UNKNOWN', 'blob unknown to registry', { detail: { digest } })
      }
      contents.putManifest(repository, manifest, tag)
      const location = `/v2/${repository}/manifests/${manifest.descriptor.digest}`
      const subject = document.subject && { 'oci-subject': document.subject.digest }
      return empty(201, { location, 'docker-content-digest': manifest.descriptor.digest, ...subject })
    },

    remove({ repository, reference }: Call): Answer {
      if (!contents.manifest(repository, reference)) throw manifestUnknown(reference)
      const digest = parseDigest(reference)
      if (!digest && acr) throw unsupported()
      if (!digest) contents.untag(repository, reference)
      else removeByDigest(repository, digest)
      return empty(202)
    }
  }
}

function headersOf({ descriptor: { mediaType, digest } }: StoredManifest) {
  return { 'content-type': mediaType, 'docker-content-digest': digest, etag: `"${digest}"` }
}

/** Nothing is converted: who does not take the type it was pushed as gets nothing. No Accept takes everything. */
function accepts(header: string | undefined, mediaType: string): boolean {
  const types = (header ?? '*/*').split(',').map((part) => part.split(';')[0]?.trim())
  return types.some((type) => type === mediaType || type === '*/*' || type === 'application/*')
}

function received(bytes: Buffer, reference: string, mediaType = ''): StoredManifest {
  if (bytes.length > sizeLimit) throw new Refusal(413, 'SIZE_INVALID', 'the manifest is too large')
  const wanted = parseDigest(reference)
  const digest = digestOf(bytes, wanted && algorithmOf(wanted))
  if (wanted && wanted !== digest) throw invalid('DIGEST_INVALID', { reference })
  return { descriptor: { mediaType, digest, size: bytes.length }, bytes }
}

function checked(manifest: StoredManifest): ManifestDocument {
  const document = parsed(manifest)
  const { mediaType } = manifest.descriptor
  if (mediaType === '' || (document.mediaType ?? mediaType) !== mediaType)
    throw invalid('MANIFEST_INVALID', { mediaType })
  if (document.layers && document.manifests) throw invalid('MANIFEST_INVALID', 'both layers and manifests')
  return document
}

function parsed(manifest: StoredManifest): ManifestDocument {
  try {
    const document = documentOf(manifest)
    if (document !== null && typeof document === 'object') return document
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw invalid('MANIFEST_INVALID', 'no JSON object')
}

/** What the manifest names and the repository lacks. Layers from elsewhere (`urls`) and a subject may be missing. */
function missing(document: ManifestDocument, repository: string, contents: Contents): readonly string[] {
  const layers = (document.layers ?? []).filter(({ urls }) => !urls?.length)
  const blobs = [...(document.config ? [document.config] : []), ...layers]
  const children = document.manifests ?? []
  return [
    ...blobs.filter(({ digest }) => !contents.blob(repository, digest)),
    ...children.filter(({ digest }) => !contents.manifest(repository, digest))
  ].map(({ digest }) => digest)
}

function invalid(code: 'MANIFEST_INVALID' | 'DIGEST_INVALID', detail: unknown): Refusal {
  return new Refusal(400, code, 'manifest invalid', { detail })
}
