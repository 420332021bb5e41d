import { parseNextLink } from '../protocol/pagination.ts'
import { type Answer, badAnswer, discard, headerOf, refusal } from './answer.ts'
import type { ScopedRequest } from './authentication.ts'
import { type ParentLink, urlOf } from './parent-link.ts'

export interface PagedRequest<T> {
  readonly operation: string
  /** With its query. */
  readonly path: string
  readonly scope: string
  readonly headers?: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  /** One page of status 200. */
  read(answer: Answer): Promise<T>
}

/** Bytes of one page: a registry without paging sends all the tags of a repository in one. */
export const pageSizeLimit = 8 * 1024 * 1024
const pageLimit = 10_000

/**
 * The pages of a list, by its `Link` headers (distribution-spec, "Listing Tags"). It ends only after a page without a next one;
 * whatever else happens is a ParentError, so that a list that was cut never looks complete.
 */
export async function* pages<T>(link: ParentLink, request: PagedRequest<T>): AsyncGenerator<T> {
  const seen = new Set<string>()
  let url: URL | undefined = urlOf(link, request.path)
  while (url) {
    seen.add(url.href)
    const page: Page<T> = await onePage(link, request, url, seen)
    yield page.content
    url = page.next
  }
}

interface Page<T> {
  readonly content: T
  readonly next: URL | undefined
}

/** Where the parent gave an ETag, it is asked whether the page is still the same. */
async function onePage<T>(
  link: ParentLink,
  request: PagedRequest<T>,
  url: URL,
  seen: ReadonlySet<string>
): Promise<Page<T>> {
  const { operation, scope, signal } = request
  const key = `${operation} ${url.href}`
  const kept = link.keptPages.get(key)
  const headers = { ...request.headers, ...(kept && { 'if-none-match': kept.etag }) }
  const asked: ScopedRequest = { operation, method: 'GET', url, scope, headers, signal }
  return link.authentication.request(asked, async (answer) => {
    if (kept && answer.status === 304) {
      await discard(answer)
      return kept as Page<T>
    }
    if (answer.status !== 200) throw await refusal(answer)
    const page = { content: await request.read(answer), next: nextPage(answer, seen) }
    const etag = headerOf(answer, 'etag')
    if (etag) link.keptPages.keep(key, { ...page, etag, bytes: JSON.stringify(page.content).length })
    return page
  })
}

// The next page is one of the same list, and one we have not seen: a page must not lead us elsewhere, nor in circles.
function nextPage(answer: Answer, seen: ReadonlySet<string>): URL | undefined {
  const next = parseLink(answer)
  if (!next) return undefined
  if (next.pathname !== answer.url.pathname) throw badAnswer(answer, 'its next page is one of another list')
  if (seen.has(next.href)) throw badAnswer(answer, 'its pages lead in a circle')
  if (seen.size >= pageLimit) throw badAnswer(answer, `it has more than ${pageLimit} pages`)
  return next
}

function parseLink(answer: Answer): URL | undefined {
  try {
    return parseNextLink(headerOf(answer, 'link'), answer.url)
  } catch (cause) {
    throw badAnswer(answer, 'its next page is not at this registry', cause)
  }
}
