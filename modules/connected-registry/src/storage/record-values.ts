import type { Batch, Json, Value } from './record-store.ts'

/** A value as it is kept: canonical JSON text, or bytes. Equal values are equal here, and nothing is shared with the caller. */
export type StoredValue = string | Uint8Array

export interface StoredBatch {
  readonly put: readonly (readonly [key: string, value: StoredValue])[]
  readonly remove: readonly string[]
  readonly expect: readonly (readonly [key: string, value: StoredValue | undefined])[]
}

export function encodeBatch({ put = [], remove = [], expect = [] }: Batch): StoredBatch {
  return {
    put: put.map(([key, value]) => [key, encodeValue(value)]),
    remove: [...remove],
    expect: expect.map(([key, value]) => [key, value === undefined ? undefined : encodeValue(value)])
  }
}

export function encodeValue(value: Value): StoredValue {
  return value instanceof Uint8Array ? new Uint8Array(value) : JSON.stringify(value, sortKeys)
}

export function decodeValue(stored: StoredValue): Value {
  return typeof stored === 'string' ? (JSON.parse(stored) as Json) : new Uint8Array(stored)
}

export function sameValue(one: StoredValue | undefined, other: StoredValue | undefined): boolean {
  if (one instanceof Uint8Array && other instanceof Uint8Array) return Buffer.compare(one, other) === 0
  return one === other
}

/** Keys are in the order of their UTF-8 bytes, which is not that of JavaScript's strings. */
export function compareKeys(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other))
}

/** The least text above every text that begins with `prefix`. Undefined: there is none. */
export function upperBound(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0)
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last < 0x10ffff) return String.fromCodePoint(...points, nextPoint(last))
  }
  return undefined
}

/** Surrogates are no characters: no text holds one alone. */
function nextPoint(point: number): number {
  return point === 0xd7ff ? 0xe000 : point + 1
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
}
