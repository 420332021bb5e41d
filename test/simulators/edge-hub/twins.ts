export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }
export type Section = Record<string, Json>

/** Both sections with their `$version`. */
export interface TwinDocument {
  desired: Section
  reported: Section
}

export interface Twins {
  get(module: string): TwinDocument
  /** Returns what a subscriber is sent: the patch with the new `$version`, nulls kept. */
  patchDesired(module: string, patch: Section): Section
  /** As patchDesired, with nulls for what is gone. */
  replaceDesired(module: string, section: Section): Section
  /** The new `$version`, or why the patch is refused: the twin is as it was then. */
  patchReported(module: string, patch: Json): { version: number } | { refused: string }
}

export function createTwins(modules: readonly string[]): Twins {
  const twins = new Map(
    modules.map((module): [string, TwinDocument] => [module, { desired: { $version: 1 }, reported: { $version: 1 } }])
  )
  const get = (module: string) => twins.get(module) ?? unknown(module)

  function patchDesired(module: string, patch: Section): Section {
    const twin = get(module)
    const $version = Number(twin.desired.$version) + 1
    twin.desired = { ...merge(twin.desired, patch), $version }
    return { ...patch, $version }
  }

  return {
    get,
    patchDesired,
    replaceDesired(module, section) {
      const { $version: _version, ...old } = get(module).desired
      return patchDesired(module, replacement(old, section))
    },
    patchReported(module, patch) {
      const twin = get(module)
      const refused = isSection(patch) ? refusalOf(patch) : 'not an object'
      if (refused !== undefined || !isSection(patch)) return { refused: refused ?? 'not an object' }
      const merged = merge(twin.reported, patch)
      const version = Number(twin.reported.$version) + 1
      if (bytesOf(merged) > 32 * 1024) return { refused: 'the document is larger than 32 KiB' }
      twin.reported = { ...merged, $version: version }
      return { version }
    }
  }
}

function unknown(module: string): never {
  throw new Error(`no module ${module}`)
}

export function isSection(value: Json | undefined): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function bytesOf(value: Json): number {
  return Buffer.byteLength(JSON.stringify(value))
}

/** IoT Hub's merge: null removes, an array is a value. */
function merge(target: Section, patch: Section): Section {
  const result = new Map(Object.entries(target))
  for (const [key, value] of Object.entries(patch)) {
    const old = result.get(key)
    if (value === null) result.delete(key)
    else result.set(key, isSection(value) ? merge(isSection(old) ? old : {}, value) : value)
  }
  return Object.fromEntries(result)
}

/** The patch that makes `section` of `old`: all of it, with a null for each property that is gone. */
function replacement(old: Section, section: Section): Section {
  const gone = Object.keys(old).filter((key) => !Object.hasOwn(section, key))
  const kept = Object.entries(section).map(([key, value]): [string, Json] => {
    const before = Object.hasOwn(old, key) ? old[key] : undefined
    return [key, isSection(before) && isSection(value) ? replacement(before, value) : value]
  })
  return Object.fromEntries([...gone.map((key): [string, Json] => [key, null]), ...kept])
}

/** Why edgeHub refuses these reported properties. (ReportedPropertiesValidator) */
export function refusalOf(patch: Section): string | undefined {
  if (bytesOf(patch) > 32 * 1024) return 'the patch is larger than 32 KiB'
  return sectionRefusal(patch, 1)
}

function sectionRefusal(section: Section, depth: number): string | undefined {
  if (depth > 10) return 'deeper than 10'
  for (const [key, value] of Object.entries(section)) {
    const refusal = keyRefusal(key) ?? (value === null ? undefined : valueRefusal(value, depth))
    if (refusal !== undefined) return refusal
  }
  return undefined
}

function keyRefusal(key: string): string | undefined {
  if (Buffer.byteLength(key) > 1024) return 'a name is longer than 1024 bytes'
  return /[\p{Cc}\s.$#]/u.test(key) ? `the name ${JSON.stringify(key)} has a forbidden character` : undefined
}

function valueRefusal(value: Json, depth: number): string | undefined {
  if (value === null) return 'null inside an array'
  if (typeof value === 'string')
    return Buffer.byteLength(value) > 4096 ? 'a string is longer than 4096 bytes' : undefined
  if (typeof value === 'number') return Number.isInteger(value) && Math.abs(value) > 2 ** 52 ? 'too large' : undefined
  if (Array.isArray(value)) {
    if (depth + 1 > 10) return 'deeper than 10'
    return value.map((item) => valueRefusal(item, depth + 1)).find((refusal) => refusal !== undefined)
  }
  return typeof value === 'object' ? sectionRefusal(value, depth + 1) : undefined
}
