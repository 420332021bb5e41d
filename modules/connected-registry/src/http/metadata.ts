import type { Context } from 'koa'
import { type Digest, parseDigest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import { parseManifest } from '../protocol/manifest.ts'
import { manifestKind } from '../protocol/media-types.ts'
import { nextLink, parsePage } from '../protocol/pagination.ts'
import type { EntryQuery, ManifestAttributes, TagAttributes } from '../registry/metadata.ts'
import type { Registry } from '../registry/registry.ts'
import { answerJson, type Headers } from './answer.ts'
import { externalUrl } from './external-url.ts'
import type { Handler, Target } from './handler.ts'

type Catalog = Pick<Registry, 'metadata' | 'repositories' | 'manifests'>

/** The page ends with the index that reaches it. */
const namedPerPage = 10_000

// Locks, which are not supported here; ACR shows them open where nothing is locked.
const changeableAttributes = { deleteEnabled: true, writeEnabled: true, listEnabled: true, readEnabled: true }

/** GET /acr/v1/<name>: when it came, when something changed last, and how much is in it (ACR, "Data plane"). */
export function getRepository({ metadata }: Catalog): Handler {
  return async (ctx, target) => {
    const attributes = await metadata.repository(target.repository)
    if (!attributes) throw unknownName(target)
    const { tagCount, manifestCount } = attributes
    answerJson(ctx, 200, { ...about(ctx, target), ...times(attributes), manifestCount, tagCount, changeableAttributes })
  }
}

/** GET /acr/v1/<name>/_tags?n=&last=&orderby=&digest= */
export function getTagList(catalog: Catalog): Handler {
  return async (ctx, target) => {
    const digest = digestFilter(ctx)
    const query = queryOf(ctx)
    const found = await catalog.metadata.tags(target.repository, { ...query, digest, limit: query.limit + 1 })
    if (found.length === 0) await requireRepository(catalog, target)
    const tags = found.slice(0, query.limit)
    const headers = linkTo(ctx, query, found.length > tags.length ? tags.at(-1)?.name : undefined)
    answerJson(ctx, 200, { ...about(ctx, target), tags: tags.map(tagEntry) }, headers)
  }
}

/** GET /acr/v1/<name>/_tags/<tag> */
export function getTag(catalog: Catalog): Handler {
  return async (ctx, target) => {
    const tag = await catalog.metadata.tag(target.repository, target.reference)
    if (!tag) throw new RegistryError('TAG_UNKNOWN', { name: target.reference })
    answerJson(ctx, 200, { ...about(ctx, target), tag: tagEntry(tag) })
  }
}

/** GET /acr/v1/<name>/_manifests?n=&last=&orderby= */
export function getManifestList(catalog: Catalog): Handler {
  return async (ctx, target) => {
    const query = queryOf(ctx)
    const found = await catalog.metadata.manifests(target.repository, { ...query, limit: query.limit + 1 })
    if (found.length === 0) await requireRepository(catalog, target)
    const manifests = await manifestEntries(catalog, target, found.slice(0, query.limit))
    const headers = linkTo(ctx, query, found.length > manifests.length ? manifests.at(-1)?.digest : undefined)
    answerJson(ctx, 200, { ...about(ctx, target), manifests }, headers)
  }
}

/** GET /acr/v1/<name>/_manifests/<digest> */
export function getManifestAttributes(catalog: Catalog): Handler {
  return async (ctx, target) => {
    const digest = parseDigest(target.reference)
    if (!digest) throw new RegistryError('DIGEST_INVALID')
    const manifest = await catalog.metadata.manifest(target.repository, digest)
    if (!manifest) throw new RegistryError('MANIFEST_UNKNOWN', { reference: digest })
    answerJson(ctx, 200, { ...about(ctx, target), manifest: await manifestEntry(catalog, target, manifest) })
  }
}

async function requireRepository({ repositories }: Catalog, target: Target): Promise<void> {
  if (!(await repositories.has(target.repository))) throw unknownName(target)
}

function unknownName({ repository }: Target): RegistryError {
  return new RegistryError('NAME_UNKNOWN', { name: repository })
}

function about(ctx: Context, { repository }: Target) {
  return { registry: externalUrl(ctx.req).host, imageName: repository }
}

function times({ createdAt, updatedAt }: { readonly createdAt: string; readonly updatedAt: string }) {
  return { createdTime: createdAt, lastUpdateTime: updatedAt }
}

function tagEntry(tag: TagAttributes) {
  return { name: tag.name, digest: tag.digest, ...times(tag), signed: false, changeableAttributes }
}

async function manifestEntry(catalog: Catalog, { repository }: Target, manifest: ManifestAttributes) {
  const { digest, mediaType, image, tags } = manifest
  return {
    digest,
    imageSize: image?.size ?? 0,
    ...times(manifest),
    architecture: image?.architecture,
    os: image?.os,
    mediaType,
    configMediaType: image?.configMediaType,
    tags: tags.length > 0 ? tags : undefined,
    references: await references(catalog, repository, manifest),
    changeableAttributes
  }
}

/**
 * As many as a page should hold, and always one: a thousand indexes may name ten million manifests. One after the other, for each
 * of them is read.
 */
async function manifestEntries(catalog: Catalog, target: Target, page: readonly ManifestAttributes[]) {
  const entries: Awaited<ReturnType<typeof manifestEntry>>[] = []
  let named = 0
  for (const manifest of page) {
    if (named >= namedPerPage) break
    const entry = await manifestEntry(catalog, target, manifest)
    named += entry.references?.length ?? 0
    entries.push(entry)
  }
  return entries
}

/** What an index is made of. */
async function references({ manifests }: Catalog, repository: string, { digest, mediaType }: ManifestAttributes) {
  if (manifestKind(mediaType) !== 'index') return undefined
  const index = await manifests.get(repository, { kind: 'digest', digest })
  // Gone since it was listed.
  if (!index) return undefined
  const named = parseManifest(index.bytes, mediaType).manifests
  return named.map((child) => ({
    digest: child.digest,
    architecture: child.platform?.architecture,
    os: child.platform?.os
  }))
}

// What is no order of ours is none.
function queryOf({ query }: Context): EntryQuery {
  const { orderby } = query
  return { ...parsePage(query), order: orderby === 'timeasc' || orderby === 'timedesc' ? orderby : 'name' }
}

function digestFilter({ query }: Context): Digest | undefined {
  if (typeof query.digest !== 'string' || query.digest === '') return undefined
  const digest = parseDigest(query.digest)
  if (!digest) throw new RegistryError('DIGEST_INVALID')
  return digest
}

function linkTo({ path, query }: Context, { limit }: EntryQuery, last: string | undefined): Headers {
  if (last === undefined) return {}
  const { orderby, digest } = query
  const kept = Object.entries({ orderby, digest }).filter((entry): entry is [string, string] => {
    return typeof entry[1] === 'string' && entry[1] !== ''
  })
  return { Link: nextLink(path, { n: limit, last }, Object.fromEntries(kept)) }
}
