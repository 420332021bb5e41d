import { type LogLevel, logLevels } from '@connected-registry/edge-module/log.ts'
import { z } from 'zod'
import type { Mode } from './access/authorize.ts'
import { isPasswordHash } from './access/passwords.ts'
import type { Token } from './access/tokens.ts'
import { readDuration } from './durations.ts'
import { defaultGarbageSettings, type GarbageSettings, garbageSchema, readGarbageSettings } from './garbage-settings.ts'
import { ConnectionStringError, type ParentConnection, parseConnectionString } from './protocol/connection-string.ts'
import { parseRepositoryPattern, type RepositoryPattern } from './protocol/repository-pattern.ts'
import { parseScopeMap } from './protocol/scope-map.ts'
import { readSize } from './sizes.ts'
import { continuous, cronProblem, type Schedule } from './sync/schedule.ts'

/** What may change while the module runs. */
export interface Settings {
  readonly connection?: ParentConnection
  readonly mode: Mode
  readonly repositories: readonly RepositoryPattern[]
  readonly schedule: Schedule
  readonly clientTokens: readonly Token[]
  /** Bytes that blobs may take; undefined: all the disk has. */
  readonly storageQuotaBytes?: number
  readonly garbageCollection: GarbageSettings
  readonly logLevel: LogLevel
}

export const defaultSettings: Settings = {
  mode: 'ReadOnly',
  repositories: [],
  schedule: { cron: continuous },
  clientTokens: [],
  garbageCollection: defaultGarbageSettings,
  logLevel: 'Information'
}

/** Where a document of settings came from, and everything that is wrong with it. A wrong document counts for nothing. */
export type SettingsResult =
  | { readonly kind: 'settings'; readonly settings: Partial<Settings> }
  | { readonly kind: 'refused'; readonly problems: readonly string[] }

/**
 * Reads a document in the shape of the twin's desired properties (also the settings file's). `$version` and the like are
 * the hub's and are passed over; every other key must be known. Problems name the key, never a secret.
 */
export function parseSettings(
  document: unknown,
  environment: Readonly<Record<string, string | undefined>>
): SettingsResult {
  const parsed = schemaFor(environment).safeParse(withoutHubKeys(document))
  if (parsed.success) return { kind: 'settings', settings: withoutAbsent(parsed.data) }
  return { kind: 'refused', problems: parsed.error.issues.flatMap(problemsOf) }
}

/** Later ones win, key by key. */
export function mergeSettings(layers: readonly Partial<Settings>[]): Settings {
  return Object.assign({}, defaultSettings, ...layers)
}

const repositoryLimit = 500
const tokenLimit = 50
const windowLimits = { shortestMs: 3_600_000, longestMs: 7 * 24 * 3_600_000 }

function schemaFor(environment: Readonly<Record<string, string | undefined>>) {
  return z
    .strictObject({
      connectionString: checked(z.string().max(4096), (text) => readConnection(text, environment)).optional(),
      mode: checked(z.string(), readMode).optional(),
      repositories: z.array(checked(z.string(), readRepository)).max(repositoryLimit).optional(),
      sync: checked(
        z.strictObject({ schedule: z.string().optional(), window: z.string().optional() }),
        readSchedule
      ).optional(),
      clientTokens: checked(z.array(tokenSchema).max(tokenLimit), readTokens).optional(),
      storage: z.strictObject({ quota: checked(z.string(), readQuota).optional() }).optional(),
      garbageCollection: checked(garbageSchema, readGarbageSettings).optional(),
      logLevel: z.enum(logLevels).optional()
    })
    .transform(
      ({ connectionString, sync, storage, ...rest }): Partial<Settings> => ({
        connection: connectionString,
        schedule: sync,
        storageQuotaBytes: storage?.quota,
        ...rest
      })
    )
}

const tokenSchema = checked(
  z.strictObject({
    name: z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{1,127}$/, 'is not a token name'),
    status: z.enum(['enabled', 'disabled']).default('enabled'),
    passwords: z
      .array(
        z.strictObject({
          hash: z.string().refine(isPasswordHash, 'is not a password hash (scrypt$...)'),
          expiry: z.iso.datetime({ offset: true }).optional()
        })
      )
      .min(1)
      .max(2),
    actions: z
      .array(z.string())
      .min(1)
      .max(repositoryLimit * 5)
  }),
  ({ actions, ...token }): Token | Problems => {
    const { scopeMap, problems } = parseScopeMap(actions)
    return problems.length > 0 ? { problems } : { ...token, scopeMap }
  }
)

interface Problems {
  readonly problems: readonly string[]
}

/** A schema whose values are then read by a function of ours, which may refuse them with reasons. */
function checked<S extends z.ZodType, R>(schema: S, read: (value: z.output<S>) => R) {
  return schema.transform((value, context): Exclude<R, Problems> => {
    const result = read(value)
    if (!isProblems(result)) return result as Exclude<R, Problems>
    for (const message of result.problems) context.addIssue({ code: 'custom', message })
    return z.NEVER
  })
}

function isProblems(value: unknown): value is Problems {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 1 && 'problems' in value
}

function readConnection(text: string, environment: Readonly<Record<string, string | undefined>>) {
  try {
    return parseConnectionString(text, environment)
  } catch (error) {
    if (error instanceof ConnectionStringError) return { problems: error.problems }
    throw error
  }
}

function readMode(text: string): Mode | Problems {
  if (text === 'ReadOnly' || text === 'ReadWrite') return text
  return { problems: [`${JSON.stringify(text)} is not a mode; use ReadOnly or ReadWrite`] }
}

function readRepository(text: string): RepositoryPattern | Problems {
  const pattern = parseRepositoryPattern(text)
  return (
    pattern ?? { problems: [`${JSON.stringify(text)} is neither a repository name nor a pattern such as prefix/*`] }
  )
}

function readSchedule({ schedule = continuous, window }: { schedule?: string; window?: string }): Schedule | Problems {
  const problem = cronProblem(schedule)
  if (problem) return { problems: [`schedule ${JSON.stringify(schedule)} is not a cron pattern: ${problem}`] }
  if (schedule === continuous) return { cron: schedule }
  if (window === undefined) return { problems: [`schedule ${JSON.stringify(schedule)} needs a window, such as PT3H`] }
  const windowMs = readDuration(window)
  if (windowMs === undefined || windowMs < windowLimits.shortestMs || windowMs > windowLimits.longestMs) {
    return { problems: [`window ${JSON.stringify(window)} is not an ISO 8601 duration from PT1H to P7D`] }
  }
  return { cron: schedule, windowMs }
}

function readQuota(text: string): number | Problems {
  return readSize(text) ?? { problems: [`${JSON.stringify(text)} is not a size such as 50GiB`] }
}

function readTokens(tokens: readonly Token[]): readonly Token[] | Problems {
  const names = tokens.map(({ name }) => name.toLowerCase())
  const doubled = names.filter((name, at) => names.indexOf(name) !== at)
  return doubled.length > 0 ? { problems: doubled.map((name) => `token ${name} is there twice`) } : tokens
}

function withoutHubKeys(document: unknown): unknown {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) return document
  return Object.fromEntries(Object.entries(document).filter(([key]) => !key.startsWith('$')))
}

function withoutAbsent<T extends object>(settings: T): Partial<T> {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as Partial<T>
}

function problemsOf(issue: z.core.$ZodIssue): readonly string[] {
  const path = issue.path.join('.')
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => `${[...issue.path, key].join('.')}: unknown setting`)
  return [path ? `${path}: ${issue.message}` : issue.message]
}
