import type { Context } from 'koa'
import { digestOf } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import { manifestSizeLimit } from '../protocol/manifest.ts'
import { isTag, parseReference, type Reference } from '../protocol/reference.ts'
import type { Registry } from '../registry/registry.ts'
import { answer, apiVersion, type Headers } from './answer.ts'
import { type Handler, originOf } from './handler.ts'
import { referenceIn } from './manifests.ts'
import { readBody } from './request-body.ts'

/** distribution-spec, "Pushing Manifests with Tags": registries should take at least ten. */
const tagLimit = 100

/**
 * PUT /v2/<name>/manifests/<tag or digest>?tag=: 201 when the manifest and its tags are durable (distribution-spec, "Pushing
 * Manifests"). Content-Type must name the manifest's type; TOO_LARGE above 4 MiB; MANIFEST_BLOB_UNKNOWN where a blob it names
 * was not pushed. An index may name manifests that were not: clients push the platforms they chose, and that is theirs to choose.
 */
export function putManifest({ manifests }: Pick<Registry, 'manifests'>): Handler {
  return async (ctx, target) => {
    const { repository } = target
    const reference = referenceToPut(target.reference)
    const moreTags = tagsIn(ctx.query.tag)
    const mediaType = declaredType(ctx)
    const bytes = await readBody(ctx, { bytes: manifestSizeLimit })
    await target.confirm?.()
    const digest = reference.kind === 'digest' ? reference.digest : digestOf(bytes)
    const tag = reference.kind === 'tag' ? reference.tag : undefined
    const stored = { descriptor: { mediaType, digest, size: bytes.byteLength }, bytes }
    const { subject } = await manifests.put(repository, stored, {
      origin: originOf(target),
      tag,
      moreTags,
      sparse: true
    })
    const headers: Headers = {
      ...apiVersion,
      Location: `/v2/${repository}/manifests/${digest}`,
      'Docker-Content-Digest': digest,
      'Content-Length': 0,
      ...(subject && { 'OCI-Subject': subject.digest }),
      ...(moreTags.length > 0 && { 'OCI-Tag': moreTags.join(', ') })
    }
    answer(ctx, 201, headers)
  }
}

/**
 * DELETE /v2/<name>/manifests/<tag or digest>: a tag alone, or a manifest with every tag that points at it (distribution-spec,
 * "Deleting tags", "Deleting Manifests"). 202: it is gone; its content follows when it is collected.
 */
export function deleteManifest({ manifests, tags }: Pick<Registry, 'manifests' | 'tags'>): Handler {
  return async (ctx, target) => {
    const { repository } = target
    const reference = referenceIn(target.reference)
    const options = { origin: originOf(target) }
    const removed =
      reference.kind === 'tag'
        ? await tags.remove(repository, reference.tag, options)
        : await manifests.remove(repository, reference.digest, options)
    if (!removed) throw new RegistryError('MANIFEST_UNKNOWN', { reference: target.reference })
    answer(ctx, 202, { ...apiVersion, 'Content-Length': 0 })
  }
}

function referenceToPut(text: string): Reference {
  const reference = parseReference(text)
  if (!reference) throw new RegistryError(text.includes(':') ? 'DIGEST_INVALID' : 'TAG_INVALID')
  return reference
}

function tagsIn(query: string | readonly string[] | undefined): readonly string[] {
  const tags = [query ?? []].flat()
  const wrong = tags.find((tag) => !isTag(tag))
  if (wrong !== undefined) throw new RegistryError('TAG_INVALID', { tag: wrong.slice(0, 128) })
  if (tags.length > tagLimit) throw new RegistryError('TAG_INVALID', { limit: tagLimit }, 'too many tags')
  return tags
}

function declaredType({ req }: Context): string {
  const type = req.headers['content-type']
  if (type) return type
  throw new RegistryError('MANIFEST_INVALID', { path: 'Content-Type', problem: 'must name the type of the manifest' })
}
