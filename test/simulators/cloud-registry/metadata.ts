import type { StoredManifest } from '../../../modules/connected-registry/src/protocol/content.ts'
import { type Digest, parseDigest } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { type Contents, documentOf, type Repository, type Times } from './contents.ts'
import { type Answer, type Call, empty, json, manifestUnknown, nameUnknown, Refusal } from './exchange.ts'
import { pageOf } from './pages.ts'

const changeableAttributes = { deleteEnabled: true, writeEnabled: true, listEnabled: true, readEnabled: true }

export interface MetadataOptions {
  readonly contents: Contents
  readonly loginServer: () => string
  readonly pageSize: number
  /** `orderby` is passed over, as by a registry that only looks like ACR. */
  readonly ignoresOrder?: boolean
}

/** ACR's own API, `/acr/v1/<name>` (azure-rest-api-specs, containerregistry data-plane 2021-07-01). */
export function metadataHandlers({ contents, loginServer, pageSize, ignoresOrder = false }: MetadataOptions) {
  const found = ({ repository }: Call): Repository => {
    const known = contents.repository(repository)
    if (!known) throw nameUnknown(repository)
    return known
  }
  const about = ({ repository }: Call) => ({ registry: loginServer(), imageName: repository })
  const ordered = <Item extends Times>(call: Call, items: readonly Item[], nameOf: (item: Item) => string) => {
    const order = ignoresOrder ? null : call.url.searchParams.get('orderby')
    const sorted = order !== 'timedesc' && order !== 'timeasc'
    const keyOf = sorted ? nameOf : (item: Item) => item.lastUpdateTime
    const ascending = items.toSorted((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1))
    return pageOf(call, order === 'timedesc' ? ascending.reverse() : ascending, { nameOf, sorted, pageSize })
  }

  return {
    repository(call: Call): Answer {
      const { createdTime, lastUpdateTime, manifests, tags } = found(call)
      const counts = { manifestCount: manifests.size, tagCount: tags.size }
      return json(200, { ...about(call), createdTime, lastUpdateTime, ...counts, changeableAttributes })
    },
    removeRepository(call: Call): Answer {
      const { manifests, tags } = found(call)
      contents.deleteRepository(call.repository)
      return json(202, { manifestsDeleted: [...manifests.keys()], tagsDeleted: [...tags.keys()] })
    },
    tags(call: Call): Answer {
      const digest = call.url.searchParams.get('digest')
      const all = tagList(found(call)).filter((tag) => digest === null || tag.digest === digest)
      const { items, headers } = ordered(call, all, ({ name }) => name)
      return json(200, { ...about(call), tags: items }, headers)
    },
    tag(call: Call): Answer {
      const tag = tagList(found(call)).find(({ name }) => name === call.reference)
      if (!tag) throw tagUnknown(call.reference)
      return json(200, { ...about(call), tag })
    },
    removeTag(call: Call): Answer {
      found(call)
      if (!contents.untag(call.repository, call.reference)) throw tagUnknown(call.reference)
      return empty(202)
    },
    manifests(call: Call): Answer {
      const repository = found(call)
      const all = [...repository.manifests.values()].map((manifest) => attributesOf(manifest, repository))
      const { items, headers } = ordered(call, all, ({ digest }) => digest)
      return json(200, { ...about(call), manifests: items }, headers)
    },
    manifest(call: Call): Answer {
      const repository = found(call)
      const digest = parseDigest(call.reference)
      const manifest = digest && repository.manifests.get(digest)
      if (!manifest) throw manifestUnknown(call.reference)
      return json(200, { ...about(call), manifest: attributesOf(manifest, repository) })
    }
  }

  function attributesOf(manifest: StoredManifest & Times, { tags }: Repository) {
    const { descriptor, createdTime, lastUpdateTime } = manifest
    const { config, layers = [], manifests } = documentOf(manifest)
    const { digest, mediaType } = descriptor
    const names = [...tags].filter(([, tag]) => tag.digest === digest).map(([name]) => name)
    return {
      digest,
      imageSize: [...(config ? [config] : []), ...layers].reduce((sum, { size }) => sum + size, 0),
      createdTime,
      lastUpdateTime,
      ...platformOf(config?.digest),
      mediaType,
      configMediaType: config?.mediaType,
      ...(names.length > 0 && { tags: names }),
      references: manifests?.map((child) => ({ digest: child.digest, ...child.platform })),
      changeableAttributes
    }
  }

  function platformOf(config: Digest | undefined): { readonly architecture?: string; readonly os?: string } {
    const bytes = config && contents.content(config)
    if (!bytes) return {}
    const { architecture, os } = JSON.parse(Buffer.from(bytes).toString())
    return { architecture, os }
  }
}

function tagList({ tags }: Repository) {
  return [...tags].map(([name, { digest, createdTime, lastUpdateTime }]) => {
    return { name, digest, createdTime, lastUpdateTime, signed: false, changeableAttributes }
  })
}

function tagUnknown(tag: string): Refusal {
  return new Refusal(404, 'TAG_UNKNOWN', 'the specified tag does not exist', { detail: { name: tag } })
}
