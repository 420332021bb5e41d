import { type Call, Refusal } from './exchange.ts'

export interface Listing<Item> {
  readonly items: readonly Item[]
  /** Of the `Link` header, where there is more. */
  readonly headers: Readonly<Record<string, string>>
}

/**
 * One page of `items`, as `n` and `last` of the query ask for it; `Link` is relative and keeps the rest of the query.
 * `sorted`: `last` need not exist, since the order is that of the names; else a `last` that is gone ends the listing.
 */
export function pageOf<Item>(call: Call, items: readonly Item[], options: PageOptions<Item>): Listing<Item> {
  const { nameOf, sorted, pageSize } = options
  const query = call.url.searchParams
  const size = pageSizeOf(query.get('n'), pageSize)
  const after = query.get('last')
  const rest = after ? itemsAfter(items, after, nameOf, sorted) : items
  const page = rest.slice(0, size)
  const last = page.at(-1)
  if (last === undefined || rest.length <= size) return { items: page, headers: {} }
  const next = new URLSearchParams(query)
  next.set('last', nameOf(last))
  next.set('n', String(size))
  return { items: page, headers: { link: `<${call.url.pathname}?${next}>; rel="next"` } }
}

export interface PageOptions<Item> {
  readonly nameOf: (item: Item) => string
  readonly sorted: boolean
  readonly pageSize: number
}

function itemsAfter<Item>(items: readonly Item[], after: string, nameOf: (item: Item) => string, sorted: boolean) {
  if (sorted) return items.filter((item) => nameOf(item) > after)
  const index = items.findIndex((item) => nameOf(item) === after)
  return index < 0 ? [] : items.slice(index + 1)
}

function pageSizeOf(text: string | null, standard: number): number {
  if (text === null) return standard
  const size = Number(text)
  if (Number.isInteger(size) && size > 0) return Math.min(size, 1000)
  throw new Refusal(400, 'PAGINATION_NUMBER_INVALID', 'invalid number of results requested', { detail: { n: text } })
}
