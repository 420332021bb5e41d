import { parseDigest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import { mediaTypes } from '../protocol/media-types.ts'
import type { Referrers } from '../registry/registry.ts'
import { answerJson, apiVersion, type Headers } from './answer.ts'
import type { Handler } from './handler.ts'

/** GET /v2/<name>/referrers/<digest>?artifactType=: an index, empty where nothing refers to it (distribution-spec, "Listing Referrers"). */
export function getReferrers(referrers: Referrers): Handler {
  return async (ctx, { repository, reference }) => {
    const subject = parseDigest(reference)
    if (!subject) throw new RegistryError('DIGEST_INVALID')
    const all = await referrers.list(repository, subject)
    const { artifactType } = ctx.query
    const isFiltered = typeof artifactType === 'string' && artifactType !== ''
    const manifests = isFiltered ? all.filter((referrer) => referrer.artifactType === artifactType) : all
    const filters: Headers = isFiltered ? { 'OCI-Filters-Applied': 'artifactType' } : {}
    const headers = { ...apiVersion, 'Content-Type': mediaTypes.ociIndex, ...filters }
    answerJson(ctx, 200, { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }, headers)
  }
}
