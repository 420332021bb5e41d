import type { Context } from 'koa'
import { type Digest, parseDigest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import { manifestSizeLimit } from '../protocol/manifest.ts'
import { mediaTypes } from '../protocol/media-types.ts'
import { nextLink } from '../protocol/pagination.ts'
import type { Referrers } from '../registry/registry.ts'
import { answerJson, apiVersion, type Headers } from './answer.ts'
import type { Handler } from './handler.ts'

/** An index of more is more than clients take of a manifest (distribution-spec, "Listing Referrers": then it comes in pages). */
const pageBytes = manifestSizeLimit - 1024

/**
 * GET /v2/<name>/referrers/<digest>?artifactType=&last=: an index, empty where nothing refers to it, and a Link to the next one
 * (distribution-spec, "Listing Referrers").
 */
export function getReferrers(referrers: Referrers): Handler {
  return async (ctx, { repository, reference }) => {
    const subject = parseDigest(reference)
    if (!subject) throw new RegistryError('DIGEST_INVALID')
    const artifactType = textIn(ctx, 'artifactType')
    const page = await referrers.page(repository, subject, { bytes: pageBytes, artifactType, after: lastIn(ctx) })
    const filters: Headers = artifactType === undefined ? {} : { 'OCI-Filters-Applied': 'artifactType' }
    const headers = { ...apiVersion, 'Content-Type': mediaTypes.ociIndex, ...filters, ...linkTo(ctx, page.next) }
    answerJson(ctx, 200, { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: page.referrers }, headers)
  }
}

function lastIn(ctx: Context): Digest | undefined {
  const text = textIn(ctx, 'last')
  const last = text === undefined ? undefined : parseDigest(text)
  if (text !== undefined && !last) throw new RegistryError('DIGEST_INVALID')
  return last
}

function textIn({ query }: Context, name: string): string | undefined {
  const value = query[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

function linkTo(ctx: Context, last: Digest | undefined): Headers {
  const artifactType = textIn(ctx, 'artifactType')
  return last === undefined ? {} : { Link: nextLink(ctx.path, { last }, artifactType ? { artifactType } : {}) }
}
