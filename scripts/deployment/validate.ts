import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ErrorObject, ValidateFunction } from 'ajv'
import { Ajv } from 'ajv'
import Ajv04 from 'ajv-draft-04'
import type { Manifest } from './expand.ts'

// The schemas of SchemaStore, which editors use, and those that `az iot edge set-modules` itself checks a manifest by.
const folder = join(import.meta.dirname, 'schemas')
const store = 'https://json.schemastore.org'
const options = { strict: false, allErrors: true, logger: false } as const

/** What a template breaks of its schema, a line each. */
export function templateProblems(template: unknown): readonly string[] {
  return problems(published('azure-iot-edge-deployment-template-4.0.json'), template)
}

/**
 * What a manifest breaks of the schemas that accept a deployment, a line each. `az` passes over a schemaVersion that it does not
 * know without a word; here that is a problem too.
 */
export function manifestProblems(manifest: Manifest): readonly string[] {
  return [
    ...problems(published('azure-iot-edge-deployment-2.0.json'), manifest),
    ...['edgeAgent', 'edgeHub'].flatMap((system) => systemProblems(manifest, system))
  ]
}

function systemProblems({ modulesContent }: Manifest, system: string): readonly string[] {
  const name = `$${system}`
  const version = versionOf(modulesContent[name])
  const file = `azure-iot-${system.toLowerCase()}-deployment-${version}.json`
  const known = globSync(`azure-iot-${system.toLowerCase()}-deployment-*.json`, {
    cwd: join(folder, 'azure-iot-cli-extension')
  })
  if (!known.includes(file)) return [`${name}: schemaVersion ${version} is none that az iot edge set-modules checks`]
  return problems(compile(readSchema('azure-iot-cli-extension', file)), { [name]: modulesContent[name] })
}

function versionOf(system: unknown): unknown {
  const content = system as { readonly 'properties.desired'?: { readonly schemaVersion?: unknown } } | undefined
  return content?.['properties.desired']?.schemaVersion
}

function published(file: string): ValidateFunction {
  const ajv = new Ajv04.default(options)
  for (const name of globSync('*.json', { cwd: join(folder, 'schemastore') }))
    ajv.addSchema(readSchema('schemastore', name))
  const validate = ajv.getSchema(`${store}/${file}`)
  if (!validate) throw new Error(`there is no schema ${file}`)
  return validate
}

function compile(schema: { readonly $schema?: string }): ValidateFunction {
  return (schema.$schema?.includes('draft-07') ? new Ajv(options) : new Ajv04.default(options)).compile(schema)
}

function readSchema(source: string, file: string): { readonly $schema?: string } {
  return JSON.parse(readFileSync(join(folder, source, file), 'utf8'))
}

function problems(validate: ValidateFunction, document: unknown): readonly string[] {
  return validate(document) ? [] : (validate.errors ?? []).map(sentence)
}

function sentence({ instancePath, message, params }: ErrorObject): string {
  const detail = 'additionalProperty' in params ? ` (${params.additionalProperty})` : ''
  return `${instancePath === '' ? '/' : instancePath}: ${message}${detail}`
}
