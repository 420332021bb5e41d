import { createOptionsPieces } from './create-options.ts'
import { type Expansion, expandVariables, type Variables } from './variables.ts'

export interface ExpandOptions {
  readonly variables: Variables
  /** The image that `${MODULES.<placeholder>}` stands for. */
  readonly imageOf: (placeholder: string) => Expansion
}

export interface Expanded {
  /** What `az iot edge set-modules --content` takes. */
  readonly manifest: Manifest
  /** Variables without a value, in the order they were met. They stand in the manifest as they were written. */
  readonly unset: readonly string[]
}

export interface Manifest {
  readonly modulesContent: Readonly<Record<string, unknown>>
}

type Json = null | boolean | number | string | readonly Json[] | JsonObject
type JsonObject = { readonly [key: string]: Json }

/**
 * A deployment template as the tools for Visual Studio Code and `iotedgedev` expand it: images, variables, `createOptions`
 * in pieces, no `$schema-template`. Values are filled into strings after the JSON was read, so that no value can break it.
 */
export function expandTemplate(template: Json, { variables, imageOf }: ExpandOptions): Expanded {
  const unset = new Set<string>()

  function fill(value: Json): Json {
    if (typeof value === 'string') return fillText(value)
    if (Array.isArray(value)) return value.map(fill)
    if (!isRecord(value)) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item)]))
  }

  // Image and variables in one pass: what a placeholder stands for is not expanded again.
  function fillText(text: string): string {
    const parts = text.split(/\$\{MODULES\.([^}]+)\}/)
    return parts
      .map((part, index) => noted(index % 2 === 1 ? imageOf(part) : expandVariables(part, variables)))
      .join('')
  }

  function noted(expansion: Expansion): string {
    for (const name of expansion.unset) unset.add(name)
    return expansion.text
  }

  const filled = cutCreateOptions(fill(template))
  if (!isRecord(filled) || !isRecord(filled.modulesContent)) throw new Error('there is no modulesContent')
  const { '$schema-template': _version, ...manifest } = filled
  return { manifest: manifest as unknown as Manifest, unset: [...unset] }
}

function cutCreateOptions(value: Json, path = ''): Json {
  if (Array.isArray(value)) return value.map((item) => cutCreateOptions(item, path))
  if (!isRecord(value)) return value
  const entries = Object.entries(value).flatMap(([key, item]) => {
    if (key !== 'createOptions') return [[key, cutCreateOptions(item, path === '' ? key : `${path}.${key}`)] as const]
    try {
      return Object.entries(createOptionsPieces(item))
    } catch (error) {
      throw new Error(`${path}: ${error instanceof Error ? error.message : error}`)
    }
  })
  return Object.fromEntries(entries)
}

function isRecord(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
