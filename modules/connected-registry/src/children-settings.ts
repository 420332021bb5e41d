import { z } from 'zod'
import type { Token } from './access/tokens.ts'
import type { Child } from './children/child.ts'
import { readDuration } from './durations.ts'
import { isRegistryName } from './protocol/gateway.ts'
import { intersection, type RepositoryPattern } from './protocol/repository-pattern.ts'
import { type Action, formatRepositoryRules, parseScopeMap, type RepositoryRule } from './protocol/scope-map.ts'
import type { Json } from './storage/record-store.ts'
import { tokenLimit } from './token-settings.ts'

/** A connected registry below this one, as the settings have it: `children[]`. */
export interface ChildSettings {
  readonly name: string
  readonly mode: 'ReadOnly' | 'ReadWrite'
  readonly repositories: readonly RepositoryPattern[]
  /** What it signs in with. */
  readonly syncToken: Pick<Token, 'name' | 'status' | 'passwords'>
  /** Names of client tokens of this registry that it takes over. */
  readonly clientTokens: readonly string[]
  readonly messageTtlMs: number
  /** Names of all below it. */
  readonly descendants: readonly string[]
  /** As written: what it passes on is in the shape it came in. */
  readonly document: Readonly<Record<string, Json>>
}

/** The parts of a child that are read as elsewhere in the settings. */
export interface ChildSchemas {
  readonly repositories: z.ZodType<readonly RepositoryPattern[]>
  readonly tokenName: z.ZodType<string>
  readonly passwords: z.ZodType<Token['passwords']>
  readonly schedule: z.ZodType<unknown>
  readonly notifications: z.ZodType<unknown>
  readonly garbageCollection: z.ZodType<unknown>
  readonly logLevel: z.ZodType<unknown>
}

const dayMs = 24 * 3_600_000
const childLimit = 1000
const deepest = 6
const tooShort = 'Connected registry name must be at least 5 characters long.'

/** One level of `children[]`; `depth` is that of the level. */
export function childrenSchema(schemas: ChildSchemas, depth = 1): z.ZodType<readonly ChildSettings[]> {
  const below: z.ZodType<readonly ChildSettings[]> =
    depth < deepest
      ? z.lazy(() => childrenSchema(schemas, depth + 1))
      : z.array(z.never('registries are nested too deep')).transform(() => [])
  const known = z.strictObject({
    name: z.string().min(5, tooShort).refine(isRegistryName, 'is no name: 5 to 50 letters, digits, - or _'),
    mode: z.enum(['ReadOnly', 'ReadWrite']).default('ReadOnly'),
    repositories: schemas.repositories.default([]),
    syncToken: z.strictObject({
      name: schemas.tokenName,
      status: z.enum(['enabled', 'disabled']).default('enabled'),
      passwords: schemas.passwords
    }),
    clientTokens: z.array(schemas.tokenName).max(tokenLimit).default([]),
    sync: z.looseObject({ messageTtl: z.string().default('P2D').transform(readMessageTtl) }).optional(),
    notifications: schemas.notifications.optional(),
    garbageCollection: schemas.garbageCollection.optional(),
    logLevel: schemas.logLevel.optional(),
    children: below.optional()
  })
  return z.array(z.unknown().transform(read)).max(childLimit)

  // The text is kept beside what is read from it: the child reads it again, by these very rules.
  function read(document: unknown, context: z.RefinementCtx): ChildSettings {
    const parsed = known.safeParse(document)
    const timing = parsed.success ? schemas.schedule.safeParse(timingOf(parsed.data.sync)) : undefined
    const issues = [...(parsed.error?.issues ?? []), ...(timing?.error?.issues ?? []).map(inSync)]
    for (const issue of issues)
      context.addIssue({ ...issue, input: undefined } as Parameters<typeof context.addIssue>[0])
    if (!parsed.success || issues.length > 0) return z.NEVER
    const { children = [], sync, notifications: _, garbageCollection: __, logLevel: ___, ...rest } = parsed.data
    return {
      ...rest,
      messageTtlMs: sync?.messageTtl ?? 2 * dayMs,
      descendants: children.flatMap(({ name, descendants }) => [name, ...descendants]),
      document: document as Readonly<Record<string, Json>>
    }
  }
}

function inSync(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  return { ...issue, path: ['sync', ...issue.path] }
}

/** What is read as in any settings: all but how long messages wait, which is this side's to know. */
function timingOf({
  messageTtl: _,
  ...timing
}: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  return timing
}

function readMessageTtl(text: string, context: z.RefinementCtx): number {
  const ttlMs = readDuration(text)
  if (ttlMs !== undefined && ttlMs >= dayMs && ttlMs <= 90 * dayMs) return ttlMs
  context.addIssue({ code: 'custom', message: 'is no ISO 8601 duration from P1D to P90D' })
  return z.NEVER
}

/** The client tokens of this registry: there may be thousands, and many children that name each. */
export type TokensByName = ReadonlyMap<string, Token>

/** A child as its gateway needs it, with the client tokens it takes over: of their rights, what lies in its repositories. */
export function childOf(settings: ChildSettings, clientTokens: TokensByName): Child {
  const { name, mode, repositories, messageTtlMs, descendants, document } = settings
  const { sync, notifications, garbageCollection, logLevel, children } = document
  const timing = timingOf((sync ?? {}) as Readonly<Record<string, Json>>) as Readonly<Record<string, Json>>
  const config: Record<string, Json | undefined> = {
    mode,
    repositories: document.repositories ?? [],
    sync: Object.keys(timing).length > 0 ? timing : undefined,
    clientTokens: [...new Set(settings.clientTokens)].flatMap((wanted) => {
      const token = clientTokens.get(wanted)
      return token ? tokenDocument(token, repositories) : []
    }),
    notifications,
    garbageCollection,
    logLevel,
    children
  }
  const given = Object.entries(config).filter((entry): entry is [string, Json] => entry[1] !== undefined)
  return { name, mode, repositories, messageTtlMs, descendants, config: Object.fromEntries(given) }
}

/** A child's sync token, with the rights that ACR gives one (ACR, "What the CLI writes into scope maps"). */
export function syncTokenOf({ name, mode, repositories, syncToken }: ChildSettings): Token {
  const actions: readonly Action[] =
    mode === 'ReadOnly'
      ? ['content/read', 'metadata/read']
      : ['content/read', 'content/write', 'content/delete', 'metadata/read', 'metadata/write']
  const gateway = name.toLowerCase()
  const { scopeMap } = parseScopeMap([
    ...formatRepositoryRules(repositories.map((pattern) => ({ pattern, actions }))),
    ...['config/read', 'config/write', 'message/read', 'message/write'].map((verb) => `gateway/${gateway}/${verb}`)
  ])
  return { ...syncToken, scopeMap, child: name }
}

/** Names that `clientTokens` of a child gives and nobody knows here. */
export function unknownTokens({ clientTokens }: ChildSettings, known: TokensByName): readonly string[] {
  return clientTokens.filter((name) => !known.has(name))
}

/** None where the token has no right in any of these repositories. */
function tokenDocument(
  { name, status, passwords, scopeMap }: Token,
  scope: readonly RepositoryPattern[]
): readonly Json[] {
  const rules = scopeMap.repositories.flatMap(({ pattern, actions }): readonly RepositoryRule[] =>
    scope.flatMap((within) => {
      const both = intersection(pattern, within)
      return both ? [{ pattern: both, actions }] : []
    })
  )
  const actions = [...new Set(formatRepositoryRules(rules))]
  const hashes = passwords.map(({ hash, expiry }) => ({ hash, ...(expiry !== undefined && { expiry }) }))
  return actions.length > 0 ? [{ name, status, passwords: hashes, actions }] : []
}
