import type { ByteRange, UploadState } from './blob-store.ts'

/** Bytes that are here: ranges in order, apart from each other by at least one byte. */
export type ByteRanges = readonly ByteRange[]

/** The first `size` bytes. */
export function firstBytes(size: number): ByteRanges {
  return size === 0 ? [] : [{ first: 0, last: size - 1 }]
}

export function addRange(ranges: ByteRanges, added: ByteRange): ByteRanges {
  const before = ranges.filter((range) => range.last + 1 < added.first)
  const after = ranges.filter((range) => range.first > added.last + 1)
  const touched = ranges.slice(before.length, ranges.length - after.length)
  const first = Math.min(added.first, touched[0]?.first ?? added.first)
  const last = Math.max(added.last, touched.at(-1)?.last ?? added.last)
  return [...before, { first, last }, ...after]
}

/** The offset after the highest byte that is here. */
export function endOf(ranges: ByteRanges): number {
  const last = ranges.at(-1)
  return last ? last.last + 1 : 0
}

export function stateOf(ranges: ByteRanges): UploadState {
  const missing: ByteRange[] = []
  let next = 0
  for (const { first, last } of ranges) {
    if (first > next) missing.push({ first: next, last: first - 1 })
    next = last + 1
  }
  return { size: missing[0]?.first ?? next, end: next, missing }
}

/** The bytes that were asked for, all of them without a range. Throws RangeError for a range that is not inside. */
export function checkRange(size: number, range: ByteRange = { first: 0, last: size - 1 }): ByteRange {
  const inside = Number.isSafeInteger(range.first) && Number.isSafeInteger(range.last) && range.first >= 0
  const whole = size === 0 && range.first === 0 && range.last === -1
  if (whole || (inside && range.first <= range.last && range.last < size)) return range
  throw new RangeError(`the blob of ${size} bytes has no range ${range.first}-${range.last}`)
}
