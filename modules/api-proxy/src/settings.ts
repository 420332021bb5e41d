import { type LogLevel, logLevels } from '@connected-registry/edge-module/log.ts'
import { z } from 'zod'

/** What may change while the module runs: the twin's desired properties. */
export interface Settings {
  readonly logLevel: LogLevel
}

export interface SettingsResult {
  /** Undefined: refused as a whole, the settings before stay in force. */
  readonly settings?: Settings
  /** Each named by its key. There may be some although the settings were taken. */
  readonly problems: readonly string[]
}

const schema = z.strictObject({
  logLevel: z.enum(logLevels, `must be one of ${logLevels.join(', ')}`).default('Information')
})

const ignored = {
  proxy_config: 'is a template for nginx, which this module does not use; it is ignored'
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
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${key}: unknown setting`)
  return [`${issue.path.join('.')}: ${issue.message}`]
}
