import { RegistryError } from './errors.ts'

/** What a client asks of a list (distribution-spec, "Listing Tags"). `limit` may be 0: an empty page, and no next one. */
export interface RequestedPage {
  readonly limit: number
  readonly after?: string
}

type QueryValue = string | readonly string[] | undefined

/** ACR's default, and the most we hand out at once (CVE-2023-2253: a huge `n` must not allocate). */
export const defaultPageSize = 100
export const pageSizeLimit = 1000

/** From the query's `n` and `last`. Throws RegistryError PAGINATION_NUMBER_INVALID where `n` is no number. */
export function parsePage(query: { readonly n?: QueryValue; readonly last?: QueryValue }): RequestedPage {
  const n = single(query.n)
  const last = single(query.last)
  if (n && !/^\d+$/.test(n)) throw new RegistryError('PAGINATION_NUMBER_INVALID', { n: n.slice(0, 32) })
  return { limit: n ? Math.min(Number(n), pageSizeLimit) : defaultPageSize, ...(last ? { after: last } : {}) }
}

function single(value: QueryValue): string | undefined {
  return typeof value === 'string' ? value : value?.[0]
}

/** The `Link` header to the page after `last` (RFC 8288), relative to the origin as ACR's is. `extra`: other parameters to keep. */
export function nextLink(
  path: string,
  page: { readonly n?: number; readonly last: string },
  extra: Readonly<Record<string, string>> = {}
): string {
  const { last, n } = page
  const query = new URLSearchParams({ last, ...(n !== undefined && { n: String(n) }), ...extra })
  return `<${path}?${query}>; rel="next"`
}

/**
 * Where a registry's next page is. Undefined: this was the last one.
 * A link that leaves the origin or the registry's API is an Error: a page must not choose whom we call.
 */
export function parseNextLink(header: string | undefined, base: URL): URL | undefined {
  const target = nextTarget(header ?? '')
  if (target === undefined) return undefined
  const url = URL.parse(target, base)
  if (!url) throw new Error('the link to the next page is no URL')
  if (url.origin !== base.origin || url.username || url.password) {
    throw new Error(`the link to the next page leaves ${base.origin} for ${url.origin}`)
  }
  if (!url.pathname.startsWith('/v2/') && !url.pathname.startsWith('/acr/')) {
    throw new Error('the link to the next page leaves /v2/ and /acr/')
  }
  return url
}

function nextTarget(header: string): string | undefined {
  for (const [, target, parameters] of header.matchAll(/<([^<>]*)>((?:[^",<]|"[^"]*")*)/g)) {
    const [, quoted, bare] = /;[ \t]*rel[ \t]*=[ \t]*(?:"([^"]*)"|([^\s;,"]+))/i.exec(parameters ?? '') ?? []
    const relations = (quoted ?? bare ?? '').toLowerCase().split(/\s+/)
    if (relations.includes('next')) return target
  }
  return undefined
}
