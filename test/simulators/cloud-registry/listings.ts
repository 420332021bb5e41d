import type { Descriptor } from '../../../modules/connected-registry/src/protocol/descriptor.ts'
import { type Contents, documentOf } from './contents.ts'
import { type Answer, type Call, json, nameUnknown } from './exchange.ts'
import { pageOf } from './pages.ts'

export interface ListingOptions {
  readonly contents: Contents
  /** Items of a page where the client asks for no number. */
  readonly pageSize: number
}

/** The listings of `/v2`: tags, referrers and the catalog, which ACR has under `/acr/v1` as well. */
export function listingHandlers({ contents, pageSize }: ListingOptions) {
  const namesOf = (call: Call, names: readonly string[]) =>
    pageOf(call, names, { nameOf: (name: string) => name, sorted: true, pageSize })
  return {
    catalog(call: Call): Answer {
      const { items, headers } = namesOf(call, contents.repositories())
      return json(200, { repositories: items }, headers)
    },
    tags(call: Call): Answer {
      const found = contents.repository(call.repository)
      if (!found) throw nameUnknown(call.repository)
      const { items, headers } = namesOf(call, [...found.tags.keys()].sort())
      return json(200, { name: call.repository, tags: items }, headers)
    },
    referrers(call: Call): Answer {
      const artifactType = call.url.searchParams.get('artifactType')
      const all = referrersOf(contents, call.repository, call.reference)
      const manifests = all.filter((descriptor) => artifactType === null || descriptor.artifactType === artifactType)
      const mediaType = 'application/vnd.oci.image.index.v1+json'
      const filters = artifactType === null ? undefined : { 'oci-filters-applied': 'artifactType' }
      return json(200, { schemaVersion: 2, mediaType, manifests }, { 'content-type': mediaType, ...filters })
    }
  }
}

/** distribution-spec, "Listing Referrers": an artifact's type, or else its configuration's. */
function referrersOf(contents: Contents, repository: string, subject: string): readonly Descriptor[] {
  return [...(contents.repository(repository)?.manifests.values() ?? [])].flatMap((manifest) => {
    const { subject: about, artifactType, config, annotations } = documentOf(manifest)
    if (about?.digest !== subject) return []
    return [{ ...manifest.descriptor, artifactType: artifactType ?? config?.mediaType, annotations }]
  })
}
