import { type LogLevel, logLevels } from '@connected-registry/edge-module/log.ts'
import { z } from 'zod'
import { isPlainPath, type Route, readAddress } from './routes.ts'

/** What may change while the module runs: the twin's desired properties. */
export interface Settings {
  readonly logLevel: LogLevel
  /** Beside those of the deployment, or in place of them. */
  readonly routes: readonly Route[]
}

export interface SettingsResult {
  /** Undefined: refused as a whole, the settings before stay in force. */
  readonly settings?: Settings
  /** Each named by its key. There may be some although the settings were taken. */
  readonly problems: readonly string[]
}

const doorsOwn: readonly string[] = ['/healthz', '/readyz']
const longestTable = 50

const route = z
  .strictObject({
    prefix: z
      .string('must be a text')
      .max(200, 'is longer than 200 characters')
      .refine((text) => isPlainPath(text) && !text.endsWith('/'), 'must be whole segments of a path, such as /metrics')
      .refine((text) => !doorsOwn.includes(text), 'is answered by this module itself'),
    target: z.string('must be a text').max(300, 'is longer than 300 characters'),
    protocol: z.enum(['http', 'https'], 'must be http or https').default('http')
  })
  .transform(({ prefix, target, protocol }, context): Route => {
    const address = readAddress(target, protocol === 'https' ? 443 : 80)
    if (address) return { prefix, target: { kind: 'module', protocol, address } }
    context.addIssue({ code: 'custom', path: ['target'], message: 'is not host:port' })
    return z.NEVER
  })

const schema = z.strictObject({
  logLevel: z.enum(logLevels, `must be one of ${logLevels.join(', ')}`).default('Information'),
  routes: z
    .array(route, 'must be a list')
    .max(longestTable, `has more than ${longestTable} entries`)
    .refine((routes) => new Set(routes.map(({ prefix }) => prefix)).size === routes.length, 'names a prefix twice')
    .default([])
})

const ignored = {
  proxy_config: 'is a template for nginx, which this module does not use; it is ignored, `routes` takes its place'
} as const

/** Reads a document of desired properties; `$version` and the like are the hub's. Every other key must be known. */
export function parseSettings(document: Readonly<Record<string, unknown>>): SettingsResult {
  const ours = Object.entries(document).filter(([key]) => !key.startsWith('$'))
  const considered = Object.fromEntries(ours.filter(([key]) => !Object.hasOwn(ignored, key)))
  const notes = Object.entries(ignored).flatMap(([key, note]) => (key in document ? [`${key}: ${note}`] : []))
  const { data, error } = schema.safeParse(considered)
  return error ? { problems: [...notes, ...error.issues.flatMap(problemsOf)] } : { settings: data, problems: notes }
}

function problemsOf(issue: z.core.$ZodIssue): readonly string[] {
  const path = issue.path.join('.')
  if (issue.code !== 'unrecognized_keys') return [`${path}: ${issue.message}`]
  return issue.keys.map((key) => `${path ? `${path}.` : ''}${key}: unknown setting`)
}
