/** What a Range header asks of a blob of a known size. Both ends included, both inside the blob. */
export type RequestedRange =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly first: number; readonly last: number }
  | { readonly kind: 'unsatisfiable' }

export interface ContentRange {
  readonly first: number
  readonly last: number
  /** Undefined: the sender did not know it (`*`). */
  readonly size?: number
}

/**
 * RFC 9110, section 14.2: a Range that is malformed, of another unit, or asks for several parts may be ignored, and is.
 * One that begins behind the end is unsatisfiable (416); so, as the section allows, is one that ends before it begins.
 */
export function parseRange(header: string | undefined, size: number): RequestedRange {
  const [, from, to] = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(header ?? '') ?? []
  if (from === undefined || to === undefined || (from === '' && to === '')) return { kind: 'whole' }
  if (from === '') return suffix(Number(to), size)
  if (to !== '' && Number(to) < Number(from)) return { kind: 'unsatisfiable' }
  if (Number(from) >= size) return { kind: 'unsatisfiable' }
  return { kind: 'part', first: Number(from), last: to === '' ? size - 1 : Math.min(Number(to), size - 1) }
}

// The last bytes of an empty blob are satisfiable, but no Content-Range can say so.
function suffix(length: number, size: number): RequestedRange {
  if (length === 0) return { kind: 'unsatisfiable' }
  if (size === 0) return { kind: 'whole' }
  return { kind: 'part', first: Math.max(0, size - length), last: size - 1 }
}

/** For a 206; without a range for a 416 (RFC 9110, section 14.4). */
export function formatContentRange(range: { readonly first: number; readonly last: number } | undefined, size: number) {
  return range ? `bytes ${range.first}-${range.last}/${size}` : `bytes */${size}`
}

/** Undefined: missing, malformed, contradicting itself, or without a range. */
export function parseContentRange(header: string | undefined): ContentRange | undefined {
  const [, from, to, total] = /^bytes[ \t]+(\d+)-(\d+)\/(\d+|\*)$/i.exec(header?.trim() ?? '') ?? []
  const [first, last] = [Number(from), Number(to)]
  const size = total === '*' ? undefined : Number(total)
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(last) || first > last) return undefined
  if (size !== undefined && !(Number.isSafeInteger(size) && last < size)) return undefined
  return { first, last, ...(size === undefined ? {} : { size }) }
}

/**
 * The place of a chunk in its upload: `<first>-<last>` (distribution-spec, "Pushing a blob in chunks"), or as RFC 9110 writes it.
 * Undefined: neither.
 */
export function parseChunkRange(header: string): { readonly first: number; readonly last: number } | undefined {
  const plain = /^\d+-\d+$/.test(header.trim())
  const range = parseContentRange(plain ? `bytes ${header.trim()}/*` : header)
  return range && { first: range.first, last: range.last }
}

/**
 * What an upload holds, for the `Range` header of its answers. There is no way to say "nothing" that clients read: like every
 * other registry we say `0-0` then.
 */
export function formatHeldRange(size: number): string {
  return `0-${Math.max(0, size - 1)}`
}
