import { isDeepStrictEqual } from 'node:util'

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined }
export type JsonObject = { readonly [key: string]: Json | undefined }

/** The whole desired section, `$version` included. */
export type Desired = Readonly<Record<string, Json>>

export interface Twin {
  readonly desired: Desired
  readonly reported: Readonly<Record<string, Json>>
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** RFC 7396, JSON Merge Patch: null removes, objects merge, anything else - arrays too - replaces as a whole. */
export function mergePatch(target: Json | undefined, patch: JsonObject): Record<string, Json> {
  const merged = new Map(isObject(target) ? present(target) : [])
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key)
    else if (isObject(value)) merged.set(key, mergePatch(merged.get(key), value))
    else if (value !== undefined) merged.set(key, value)
  }
  return Object.fromEntries(merged)
}

/**
 * The patch that turns `from` into `to`: mergePatch(from, diffPatch(from, to)) equals `to`. It is empty when there is
 * nothing to do. `to` holds no null property, for a merge patch cannot say it (RFC 7396, section 1).
 */
export function diffPatch(from: JsonObject, to: JsonObject): Record<string, Json> {
  const before = new Map(present(from))
  const after = new Map(present(to))
  const removed = [...before.keys()].filter((key) => !after.has(key)).map((key): [string, Json] => [key, null])
  const changed = [...after].filter(([key, value]) => !isDeepStrictEqual(before.get(key), value))
  return Object.fromEntries([
    ...removed,
    ...changed.map(([key, value]) => [key, step(before.get(key), value)] as const)
  ])
}

function step(before: Json | undefined, after: Json): Json {
  return isObject(before) && isObject(after) ? diffPatch(before, after) : after
}

function present(object: JsonObject): [string, Json][] {
  return Object.entries(object).filter((entry): entry is [string, Json] => entry[1] !== undefined)
}

/**
 * What edgeHub and IoT Hub take as reported properties, a little on the safe side: edgeHub's own document limit is
 * 32 KiB and its depth limit 10. (ReportedPropertiesValidator; IoT Hub, "Device twin size" and "format")
 */
export const reportedLimits = {
  depth: 9,
  stringBytes: 4096,
  keyBytes: 1024,
  documentBytes: 24 * 1024,
  integers: { minimum: -(2 ** 52), maximum: 2 ** 52 - 1 }
} as const

// Control characters, white space and the three that paths in queries are made of.
const forbiddenInKeys = /[\p{Cc}\s.$#]/u

/**
 * The same state within the limits, by the same rule each time: strings are cut, what cannot be said is left out, and
 * then the largest sections go until the rest fits. `cut` names each loss by its path; any loss also reports
 * `truncated: true`. Null and undefined properties mean absent, which is no loss.
 */
export function fitReported(state: JsonObject): { state: Record<string, Json>; cut: readonly string[] } {
  const cut: string[] = []
  const fitting = fitObject(state, '', 1, cut)
  dropLargest(fitting, cut)
  if (cut.length > 0) fitting.set('truncated', true)
  return { state: Object.fromEntries(fitting), cut }
}

function fitObject(object: JsonObject, path: string, depth: number, cut: string[]): Map<string, Json> {
  const fitting = new Map<string, Json>()
  for (const [key, value] of present(object)) {
    if (value === null) continue
    const at = path === '' ? key : `${path}.${key}`
    const fitted = keyFits(key) ? fitValue(value, at, depth, cut) : undefined
    if (fitted !== undefined) fitting.set(key, fitted)
    else cut.push(at)
  }
  return fitting
}

function fitValue(value: Json, path: string, depth: number, cut: string[]): Json | undefined {
  if (typeof value === 'string') return fitString(value, path, cut)
  if (typeof value === 'number') return numberFits(value) ? value + 0 : undefined
  if (typeof value !== 'object' || value === null) return value ?? undefined
  if (depth >= reportedLimits.depth) return undefined
  if (isObject(value)) return Object.fromEntries(fitObject(value, path, depth + 1, cut))
  return (value as readonly Json[]).flatMap((item, index) => {
    const fitted = fitValue(item, `${path}[${index}]`, depth + 1, cut)
    if (fitted === undefined) cut.push(`${path}[${index}]`)
    return fitted === undefined ? [] : [fitted]
  })
}

function fitString(text: string, path: string, cut: string[]): string {
  const wellFormed = text.toWellFormed()
  const bytes = Buffer.from(wellFormed)
  if (bytes.length <= reportedLimits.stringBytes && wellFormed === text) return text
  cut.push(path)
  if (bytes.length <= reportedLimits.stringBytes) return wellFormed
  // 10xxxxxx continues a character: one that does not fit wholly goes wholly.
  let end: number = reportedLimits.stringBytes
  while ((bytes[end]! & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}

function keyFits(key: string): boolean {
  if (key === '' || !key.isWellFormed() || forbiddenInKeys.test(key)) return false
  return Buffer.byteLength(key) <= reportedLimits.keyBytes
}

// Numbers: an integer too large is left out rather than misreported; -0 would come back from the hub as 0.
function numberFits(value: number): boolean {
  if (!Number.isInteger(value)) return Number.isFinite(value)
  return value >= reportedLimits.integers.minimum && value <= reportedLimits.integers.maximum
}

function dropLargest(sections: Map<string, Json>, cut: string[]): void {
  const room = reportedLimits.documentBytes - Buffer.byteLength(',"truncated":true')
  const sizes = [...sections]
    .filter(([key, value]) => key !== 'truncated' || value !== true)
    .map(([key, value]) => ({ key, bytes: sizeBytes({ [key]: value }) - 1 }))
  let total = sizes.reduce((sum, { bytes }) => sum + bytes, 1)
  sizes.sort((one, other) => other.bytes - one.bytes || (one.key < other.key ? -1 : 1))
  for (const { key, bytes } of sizes) {
    if (total <= room) return
    sections.delete(key)
    cut.push(key)
    total -= bytes
  }
}

/** Bytes of the JSON text. */
export function sizeBytes(value: Json): number {
  return Buffer.byteLength(JSON.stringify(value))
}
