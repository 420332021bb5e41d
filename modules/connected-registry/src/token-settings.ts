import { z } from 'zod'
import { isPasswordHash } from './access/passwords.ts'
import { formatTokenNamePattern, parseTokenNamePattern, type TokenNamePattern } from './access/token-names.ts'
import { isTokenName, type Token } from './access/tokens.ts'
import { checked, type Problems } from './checked-schema.ts'
import { readDuration } from './durations.ts'
import { parseScopeMap, ruleProblem } from './protocol/scope-map.ts'

/** Client tokens of the settings: those that are configured here, and the names that the parent may prove. */
export interface TokenSettings {
  readonly clientTokens: readonly Token[]
  readonly delegatedNames: readonly TokenNamePattern[]
}

const dayMs = 24 * 3_600_000
/** How long a delegated token is kept without another word from the parent. */
export const defaultKeptForMs: number = 7 * dayMs
const leastKeptForMs = 3_600_000
const longestKeptForMs = 365 * dayMs
/** As many as a registry of ACR has ("Published limitations"): those of a whole plant may be one settings file. */
export const tokenLimit = 20_000
const actionLimit = 2500

export const tokenNameSchema = z
  .string()
  .refine(isTokenName, 'is not a token name: 2 to 128 letters, digits, ".", "_" or "-", the first a letter or digit')

export const passwordsSchema = z
  .array(
    z.strictObject({
      hash: z.string().refine(isPasswordHash, 'is not a password hash (scrypt$...)'),
      expiry: z.iso.datetime({ offset: true }).optional()
    })
  )
  .min(1)
  .max(2)

const configured = z.strictObject({
  delegate: z.literal(false).optional(),
  name: tokenNameSchema,
  status: z.enum(['enabled', 'disabled']).default('enabled'),
  passwords: passwordsSchema,
  actions: z.array(checked(z.string(), readAction)).min(1).max(actionLimit)
})

const delegated = z.strictObject({
  delegate: z.literal(true),
  name: checked(z.string(), readNames)
})

export const tokensSchema = checked(
  z
    .array(z.discriminatedUnion('delegate', [configured, delegated]))
    .max(tokenLimit, `more than ${tokenLimit} client tokens`),
  readTokens
)

export const delegationSchema = z.strictObject({ keptFor: checked(z.string(), readKeptFor).optional() })

function readAction(text: string): string | Problems {
  const problem = ruleProblem(text)
  return problem === undefined ? text : { problems: [`is no action of a scope map: ${problem}`] }
}

type Configured = z.output<typeof configured>
type Delegated = z.output<typeof delegated>

function readTokens(tokens: readonly (Configured | Delegated)[]): TokenSettings | Problems {
  const own = tokens.filter((token): token is Configured => token.delegate !== true)
  const names = tokens.map(({ name }) => (typeof name === 'string' ? name : formatTokenNamePattern(name)).toLowerCase())
  const firsts = new Map(names.map((name, at) => [name, at] as const).toReversed())
  const problems = names.flatMap((name, at) => {
    const first = firsts.get(name) ?? at
    return first < at ? [`${first} and ${at} have the same name`] : []
  })
  if (problems.length > 0) return { problems }
  const delegatedNames = tokens.flatMap((token) => (token.delegate === true ? [token.name] : []))
  return { clientTokens: own.map(tokenOf), delegatedNames }
}

function tokenOf({ name, status, passwords, actions }: Configured): Token {
  return { name, status, passwords, scopeMap: parseScopeMap(actions).scopeMap }
}

function readNames(text: string): TokenNamePattern | Problems {
  return (
    parseTokenNamePattern(text) ?? { problems: ['is neither a token name nor the beginning of some, such as site-*'] }
  )
}

function readKeptFor(text: string): number | Problems {
  const ms = readDuration(text)
  if (ms !== undefined && ms >= leastKeptForMs && ms <= longestKeptForMs) return ms
  return { problems: ['is no ISO 8601 duration from PT1H to P365D'] }
}
