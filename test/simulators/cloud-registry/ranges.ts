import type { Answer } from './exchange.ts'

export interface Span {
  readonly first: number
  readonly last: number
}

/**
 * The bytes a Range header asks for (RFC 9110, 14.1.2), one range only. Undefined: the whole, also where it cannot be
 * read; `unsatisfiable` where it begins behind the end.
 */
export function parseRange(header: string | undefined, size: number): Span | 'unsatisfiable' | undefined {
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? []
  if (from === '' && to === '') return undefined
  if (from === '')
    return Number(to) === 0 || size === 0 ? 'unsatisfiable' : { first: Math.max(0, size - Number(to)), last: size - 1 }
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1)
  if (to !== '' && Number(to) < Number(from)) return undefined
  return Number(from) >= size ? 'unsatisfiable' : { first: Number(from), last }
}

/** 200 with the whole, 206 with a part, or 416. */
export function contentAnswer(bytes: Uint8Array, range: string | undefined, headers: Record<string, string>): Answer {
  const all = { ...headers, 'accept-ranges': 'bytes' }
  const span = parseRange(range, bytes.length)
  if (!span) return { status: 200, headers: all, body: bytes }
  if (span === 'unsatisfiable') {
    return { status: 416, headers: { 'content-range': `bytes */${bytes.length}` }, body: new Uint8Array(0) }
  }
  const contentRange = `bytes ${span.first}-${span.last}/${bytes.length}`
  return {
    status: 206,
    headers: { ...all, 'content-range': contentRange },
    body: bytes.subarray(span.first, span.last + 1)
  }
}
