import { type LogLevel, logLevels } from '@connected-registry/edge-module/log.ts'
import { z } from 'zod'
import type { Mode } from './access/authorize.ts'
import type { TokenNamePattern } from './access/token-names.ts'
import type { Token } from './access/tokens.ts'
import { type BandwidthSettings, bandwidthSchema } from './bandwidth-settings.ts'
import { checked, type Problems } from './checked-schema.ts'
import { type ChildSettings, childrenSchema } from './children-settings.ts'
import { readDuration } from './durations.ts'
import { defaultGarbageSettings, type GarbageSettings, garbageSchema, readGarbageSettings } from './garbage-settings.ts'
import { notificationsSchema } from './notification-settings.ts'
import { ConnectionStringError, type ParentConnection, parseConnectionString } from './protocol/connection-string.ts'
import type { NotificationPattern } from './protocol/notification-pattern.ts'
import { repositoryEntry } from './repository-settings.ts'
import { readSize } from './sizes.ts'
import { continuous, cronProblem, type Schedule } from './sync/schedule.ts'
import type { ScopeEntry } from './sync/scope-rules.ts'
import { defaultKeptForMs, delegationSchema, passwordsSchema, tokenNameSchema, tokensSchema } from './token-settings.ts'

/** What may change while the module runs. */
export interface Settings {
  readonly connection?: ParentConnection
  readonly mode: Mode
  readonly repositories: readonly ScopeEntry[]
  readonly schedule: Schedule
  /** Undefined: as much as the link carries. */
  readonly bandwidth?: BandwidthSettings
  readonly clientTokens: readonly Token[]
  /** The names that the parent may prove, and how long it counts. */
  readonly delegatedNames: readonly TokenNamePattern[]
  readonly delegatedForMs: number
  /** The connected registries directly below this one. */
  readonly children: readonly ChildSettings[]
  /** Of which changes edgeHub is told. */
  readonly notifications: readonly NotificationPattern[]
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
  delegatedNames: [],
  delegatedForMs: defaultKeptForMs,
  children: [],
  notifications: [],
  garbageCollection: defaultGarbageSettings,
  logLevel: 'Information'
}

/** Where a document of settings came from, and everything that is wrong with it. A wrong document counts for nothing. */
export type SettingsResult =
  | { readonly kind: 'settings'; readonly settings: Partial<Settings> }
  | { readonly kind: 'refused'; readonly problems: readonly string[] }

/**
 * Reads a document in the shape of the twin's desired properties (also the settings file's). `$version` and the like are
 * the hub's and are passed over; every other key must be known. Problems name the key and never repeat a value: it may be
 * a secret in the wrong place. Of many problems the first ones are named, the others counted.
 */
export function parseSettings(
  document: unknown,
  environment: Readonly<Record<string, string | undefined>>
): SettingsResult {
  const parsed = schemaFor(environment).safeParse(withoutHubKeys(document))
  if (parsed.success) return { kind: 'settings', settings: withoutAbsent(parsed.data) }
  const problems = parsed.error.issues.flatMap(problemsOf)
  const more = problems.length - problemLimit
  return { kind: 'refused', problems: more > 0 ? [...problems.slice(0, problemLimit), `${more} more`] : problems }
}

/** The same of a document that the parent gave: who that is, and with which token to sign in there, is not its to say. */
export function parseParentConfig(
  document: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>>
): SettingsResult {
  if (!Object.hasOwn(document, 'connectionString')) return parseSettings(document, environment)
  return { kind: 'refused', problems: ['connectionString: a parent must not set it'] }
}

/** Later ones win, key by key. */
export function mergeSettings(layers: readonly Partial<Settings>[]): Settings {
  return Object.assign({}, defaultSettings, ...layers)
}

const problemLimit = 20
const repositoryLimit = 500
const windowLimits = { shortestMs: 3_600_000, longestMs: 7 * 24 * 3_600_000 }

function schemaFor(environment: Readonly<Record<string, string | undefined>>) {
  return z
    .strictObject({
      connectionString: checked(z.string().max(4096), (text) => readConnection(text, environment)).optional(),
      mode: checked(z.string(), readMode).optional(),
      repositories: z.array(repositoryEntry).max(repositoryLimit).optional(),
      sync: checked(syncSchema, readSync).optional(),
      clientTokens: tokensSchema.optional(),
      delegation: delegationSchema.optional(),
      children: children.optional(),
      notifications: notificationsSchema.optional(),
      storage: z.strictObject({ quota: checked(z.string(), readQuota).optional() }).optional(),
      garbageCollection: checked(garbageSchema, readGarbageSettings).optional(),
      logLevel: z.enum(logLevels).optional()
    })
    .transform(
      ({ connectionString, sync, storage, clientTokens, delegation, ...rest }): Partial<Settings> => ({
        connection: connectionString,
        ...sync,
        storageQuotaBytes: storage?.quota,
        ...clientTokens,
        delegatedForMs: delegation?.keptFor,
        ...rest
      })
    )
}

const syncSchema = z.strictObject({
  schedule: checked(z.string().max(128), readCron).optional(),
  window: checked(z.string().max(128), readWindow).optional(),
  bandwidth: bandwidthSchema.optional()
})

const children = childrenSchema({
  repositories: z.array(repositoryEntry).max(repositoryLimit),
  tokenName: tokenNameSchema,
  passwords: passwordsSchema,
  schedule: checked(syncSchema, readSchedule),
  notifications: notificationsSchema,
  garbageCollection: checked(garbageSchema, readGarbageSettings),
  logLevel: z.enum(logLevels)
})

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
  return { problems: ['is no mode; use ReadOnly or ReadWrite'] }
}

function readCron(text: string): string | Problems {
  const pattern = text.trim().split(/\s+/).join(' ')
  // Why not is left out: the parser's own words repeat the text.
  if (cronProblem(pattern) === undefined) return pattern
  return { problems: ['is no cron pattern of five fields that ever comes, such as 0 3 * * *'] }
}

function readWindow(text: string): number | Problems {
  const windowMs = readDuration(text)
  const { shortestMs, longestMs } = windowLimits
  if (windowMs !== undefined && windowMs >= shortestMs && windowMs <= longestMs) return windowMs
  return { problems: ['is no ISO 8601 duration from PT1H to P7D'] }
}

function readQuota(text: string): number | Problems {
  return readSize(text) ?? { problems: ['is not a size such as 50GiB'] }
}

function readSync({ bandwidth, ...rest }: z.output<typeof syncSchema>) {
  const schedule = readSchedule(rest)
  return 'problems' in schedule ? schedule : { schedule, bandwidth }
}

function readSchedule({
  schedule = continuous,
  window
}: Omit<z.output<typeof syncSchema>, 'bandwidth'>): Schedule | Problems {
  if (schedule === continuous) return { cron: schedule }
  return window === undefined
    ? { problems: ['the schedule needs a window, such as PT3H'] }
    : { cron: schedule, windowMs: window }
}

function withoutHubKeys(document: unknown): unknown {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) return document
  return Object.fromEntries(Object.entries(document).filter(([key]) => !key.startsWith('$')))
}

function withoutAbsent<T extends object>(settings: T): Partial<T> {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as Partial<T>
}

function problemsOf(issue: z.core.$ZodIssue): readonly string[] {
  if (issue.code !== 'unrecognized_keys') return [at(issue.path, issue.message)]
  return issue.keys.map((key) =>
    isNameable(key) ? at([...issue.path, key], 'unknown setting') : at(issue.path, 'an unknown setting')
  )
}

function at(path: readonly PropertyKey[], problem: string): string {
  return path.length > 0 ? `${path.join('.')}: ${problem}` : problem
}

// What stands where a key should be may be a piece of a password. A mistyped key is letters only.
function isNameable(key: string): boolean {
  return /^[A-Za-z]{1,32}$/.test(key)
}
