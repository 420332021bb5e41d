import type { Manifest } from './expand.ts'

// IoT Hub, "Device twin size" and "format"; edgeHub counts the bytes of the JSON text, which is the more of the two.
const limits = { bytes: 32 * 1024, textBytes: 4096, depth: 10 } as const
const instead = 'what is too much may stand in a file, in the same shape (ACR_REGISTRY_SETTINGS)'

/** Desired properties that no twin has room for, a line each, with the way out. `az` hears of them only from the hub. */
export function twinProblems({ modulesContent }: Manifest): readonly string[] {
  return Object.entries(modulesContent).flatMap(([module, content]) => {
    const desired = (content as { readonly 'properties.desired'?: object } | undefined)?.['properties.desired'] ?? {}
    const found = [...sizeProblems(desired), ...valueProblems(desired, [])]
    return found.map((problem) => `${module}: ${problem}${module.startsWith('$') ? '' : `; ${instead}`}`)
  })
}

function sizeProblems(desired: object): readonly string[] {
  const bytes = sizeOf(desired)
  if (bytes <= limits.bytes) return []
  const [[name, size] = ['', 0]] = Object.entries(desired)
    .map(([key, value]) => [key, sizeOf(value)] as const)
    .sort(([, one], [, other]) => other - one)
  return [`its desired properties take ${bytes} bytes of ${limits.bytes}, ${name} alone ${size}`]
}

function valueProblems(value: unknown, path: readonly string[]): readonly string[] {
  if (typeof value === 'string') {
    const bytes = Buffer.byteLength(value)
    return bytes > limits.textBytes ? [`${path.join('.')} takes ${bytes} bytes of ${limits.textBytes}`] : []
  }
  if (typeof value !== 'object' || value === null) return []
  if (path.length >= limits.depth) return [`${path.join('.')} is nested deeper than ${limits.depth} levels`]
  return Object.entries(value).flatMap(([key, item]) => valueProblems(item, [...path, key]))
}

function sizeOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}
