import { z } from 'zod'
import { type Digest, parseDigest } from '../protocol/digest.ts'
import { isTag } from '../protocol/reference.ts'
import { type Answer, readJson, refusal } from './answer.ts'
import { createMetadataSupport } from './metadata-support.ts'
import { pageSizeLimit, pages } from './pages.ts'
import { ParentError } from './parent-error.ts'
import { type ParentLink, scopes, urlOf } from './parent-link.ts'

/** What ACR's metadata API knows of a repository (`/acr/v1`); a plain registry has none. Times are RFC 3339. */
export interface Metadata {
  /** Whether this parent has the API: it gave proof, or it had none lately. */
  isKnown(): boolean
  /** Undefined: ACR does not know the repository. `unsupported`: this parent has no metadata API we can use. */
  attributes(repository: string, signal: AbortSignal): Promise<RepositoryAttributes | 'unsupported' | undefined>
  /** Complete or ParentError, as every list here; UNSUPPORTED where `attributes` says so. */
  tagEntries(repository: string, signal: AbortSignal, order?: EntryOrder): AsyncIterable<TagEntry>
  manifestEntries(repository: string, signal: AbortSignal, order?: EntryOrder): AsyncIterable<ManifestEntry>
  /** One by its name. Undefined: ACR says that it is not there. All else that is no entry is thrown. */
  tagEntry(repository: string, tag: string, signal: AbortSignal): Promise<TagEntry | undefined>
  manifestEntry(repository: string, digest: Digest, signal: AbortSignal): Promise<ManifestEntry | undefined>
}

export interface EntryOrder {
  readonly orderby?: 'none' | 'timeasc' | 'timedesc'
  /** Of a page; who wants to see the newest alone asks for few. */
  readonly entriesPerPage?: number
}

export type RepositoryAttributes = Readonly<z.infer<typeof repositoryAnswer>>
export type TagEntry = Readonly<z.infer<typeof tagEntry>>
export type ManifestEntry = Readonly<z.infer<typeof manifestEntry>>

const digest = z.string().transform((text, context) => {
  const parsed = parseDigest(text)
  if (parsed) return parsed
  context.addIssue({ code: 'custom', message: 'no digest' })
  return z.NEVER
})
// ACR writes seven digits behind the second.
const time = z.iso.datetime({ offset: true })
const tag = z.string().refine(isTag)
const count = z.number().int().nonnegative()
// Who tells it in another way is as one that does not tell it: nothing but a comparison is lost.
const creation = time.optional().catch(undefined)

// A count left out is read as none: it cannot add up then, and the caller lists everything.
const repositoryAnswer = z.object({ lastUpdateTime: time, tagCount: count.default(0), manifestCount: count.default(0) })
const tagEntry = z.object({ name: tag, digest, lastUpdateTime: time })
const manifestEntry = z.object({
  digest,
  mediaType: z.string().optional(),
  imageSize: count.optional(),
  createdTime: creation,
  lastUpdateTime: time,
  tags: z
    .array(tag)
    .nullish()
    .transform((tags) => tags ?? [])
})
// `imageName` proves that it is ACR's own answer: only then a list left out is an empty one.
const tagAnswer = z.object({ imageName: z.string(), tags: z.array(tagEntry).nullish() })
const manifestAnswer = z.object({ imageName: z.string(), manifests: z.array(manifestEntry).nullish() })
const oneTag = z.object({ tag: tagEntry }).transform(({ tag }) => tag)
const oneManifest = z.object({ manifest: manifestEntry }).transform(({ manifest }) => manifest)
const absentCodes: readonly (string | undefined)[] = ['TAG_UNKNOWN', 'MANIFEST_UNKNOWN']

const defaultEntriesPerPage = 500
const answerLimit = 64 * 1024

export function createMetadata(link: ParentLink): Metadata {
  const support = createMetadataSupport(link)

  async function judge(answer: Answer): Promise<RepositoryAttributes | 'unsupported' | undefined> {
    const found = answer.status === 200 ? await readAttributes(answer) : await refusal(answer)
    if (!(found instanceof ParentError)) {
      support.proved()
      return found
    }
    if (found.code === 'NAME_UNKNOWN') {
      support.proved()
      return undefined
    }
    if (!saysUnsupported(found, support.isProven()) || !support.missed()) throw found
    return 'unsupported'
  }

  async function* entries<T>(list: EntryList<T>, repository: string, signal: AbortSignal, wanted: EntryOrder) {
    const { orderby, entriesPerPage = defaultEntriesPerPage } = wanted
    const order = orderby ? `&orderby=${orderby}` : ''
    const path = `/acr/v1/${repository}/${list.name}?n=${entriesPerPage}${order}`
    const operation = list.name
    if (support.isMissing()) throw new ParentError('UNSUPPORTED', { operation, url: urlOf(link, path) })
    const request = { operation, path, scope: scopes.metadata(repository), signal, read: list.read }
    for await (const page of pages(link, request)) yield* page
  }

  async function entry<T>(repository: string, name: string, schema: z.ZodType<T>, signal: AbortSignal) {
    const operation = 'attributes'
    const url = urlOf(link, `/acr/v1/${repository}/${name}`)
    if (support.isMissing()) throw new ParentError('UNSUPPORTED', { operation, url })
    const request = { operation, method: 'GET', url, scope: scopes.metadata(repository), signal } as const
    return link.authentication.request(request, async (answer) => {
      if (answer.status === 200) return readJson(answer, schema, pageSizeLimit)
      const error = await refusal(answer)
      if (error.code === 'NOT_FOUND' && absentCodes.includes(error.parentCode)) return undefined
      throw error
    })
  }

  return {
    isKnown: () => support.isProven() || support.isMissing(),
    async attributes(repository, signal) {
      if (support.isMissing()) return 'unsupported'
      const url = urlOf(link, `/acr/v1/${repository}`)
      const request = {
        operation: 'attributes',
        method: 'GET',
        url,
        scope: scopes.metadata(repository),
        signal
      } as const
      try {
        return await link.authentication.request(request, judge)
      } catch (error) {
        // A plain registry may refuse a path it does not know; its own lists will tell whether it refuses us.
        if (!support.isProven() && isRefused(error, request.operation)) return 'unsupported'
        throw error
      }
    },
    tagEntries: (repository, signal, order = {}) => entries(tagList, repository, signal, order),
    manifestEntries: (repository, signal, order = {}) => entries(manifestList, repository, signal, order),
    tagEntry: (repository, tag, signal) => entry(repository, `_tags/${tag}`, oneTag, signal),
    manifestEntry: (repository, digest, signal) => entry(repository, `_manifests/${digest}`, oneManifest, signal)
  }
}

async function readAttributes(answer: Answer): Promise<RepositoryAttributes | ParentError> {
  try {
    return await readJson(answer, repositoryAnswer, answerLimit)
  } catch (error) {
    // A page for people, in place of an API that is not there.
    if (error instanceof ParentError && error.code === 'BAD_ANSWER') return error
    throw error
  }
}

// ACR answers in JSON with NAME_UNKNOWN to a repository it does not know; who has no such API answers 404 in any other way.
function saysUnsupported(error: ParentError, isProven: boolean): boolean {
  if (error.status === 200) return !isProven
  return error.status !== undefined && error.status < 500 && error.status !== 403
}

function isRefused(error: unknown, operation: string): boolean {
  if (!(error instanceof ParentError) || error.operation !== operation) return false
  return error.code === 'UNAUTHORIZED' || error.code === 'DENIED'
}

interface EntryList<T> {
  readonly name: '_tags' | '_manifests'
  read(answer: Answer): Promise<readonly T[]>
}

const tagList: EntryList<TagEntry> = {
  name: '_tags',
  read: async (answer) => (await readJson(answer, tagAnswer, pageSizeLimit)).tags ?? []
}

const manifestList: EntryList<ManifestEntry> = {
  name: '_manifests',
  read: async (answer) => (await readJson(answer, manifestAnswer, pageSizeLimit)).manifests ?? []
}
