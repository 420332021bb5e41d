import {
  formatRepositoryPattern,
  matchesPattern,
  parseRepositoryPattern,
  type RepositoryPattern
} from './repository-pattern.ts'
import { createRuleIndex, type RuleIndex } from './rule-index.ts'

/** What a token may do with a repository (ACR's scope map actions). */
export const allActions = [
  'content/read',
  'content/write',
  'content/delete',
  'metadata/read',
  'metadata/write'
] as const
export type Action = (typeof allActions)[number]

/** What a sync token may do with the channel of a connected registry. */
const gatewayActions = ['config/read', 'config/write', 'message/read', 'message/write'] as const
export type GatewayAction = (typeof gatewayActions)[number]

export function isGatewayAction(text: string): text is GatewayAction {
  return (gatewayActions as readonly string[]).includes(text)
}

/** Rules add up: what one of them allows is allowed. */
export interface ScopeMap {
  readonly repositories: readonly RepositoryRule[]
  readonly gateways: readonly GatewayRule[]
}

export interface RepositoryRule {
  readonly pattern: RepositoryPattern
  readonly actions: readonly Action[]
}

export interface GatewayRule {
  /** A connected registry's name in lower case. */
  readonly name: string
  readonly actions: readonly GatewayAction[]
}

export const emptyScopeMap: ScopeMap = { repositories: [], gateways: [] }

/**
 * From `repositories/<name, prefix/* or *>/<action>` and `gateway/<name>/<action>`. What cannot be read grants nothing and is
 * named in `problems`.
 */
export function parseScopeMap(texts: readonly string[]): { scopeMap: ScopeMap; problems: readonly string[] } {
  const repositories = new Map<string, RepositoryRule>()
  const gateways = new Map<string, GatewayRule>()
  const problems: string[] = []
  for (const text of texts) {
    const rule = parseRule(text)
    if (typeof rule === 'string') problems.push(`${text}: ${rule}`)
    else if ('pattern' in rule) addRule(repositories, formatRepositoryPattern(rule.pattern), rule)
    else addRule(gateways, rule.name, rule)
  }
  return { scopeMap: { repositories: [...repositories.values()], gateways: [...gateways.values()] }, problems }
}

/** Why a text is no rule, without its words: they may be a secret in the wrong place. Undefined: it is one. */
export function ruleProblem(text: string): string | undefined {
  const rule = parseRule(text)
  return typeof rule === 'string' ? rule : undefined
}

/** For the rules of a map that was asked about. */
const indexes = new WeakMap<readonly RepositoryRule[], RuleIndex>()
const fewRules = 8

/** Asked with each request, and for each repository of a catalog: who is proved by the parent has a rule for every one of them. */
export function allows({ repositories: rules }: ScopeMap, action: Action, repository: string): boolean {
  if (rules.length <= fewRules) {
    return rules.some((rule) => rule.actions.includes(action) && matchesPattern(rule.pattern, repository))
  }
  const index = indexes.get(rules) ?? createRuleIndex(rules)
  indexes.set(rules, index)
  return index.allows(action, repository)
}

/** `name`: of a connected registry, in whatever case. */
export function allowsGateway(scopeMap: ScopeMap, action: GatewayAction, name: string): boolean {
  const lower = name.toLowerCase()
  return scopeMap.gateways.some((rule) => rule.name === lower && rule.actions.includes(action))
}

/** The texts that `parseScopeMap` reads. */
export function formatRepositoryRules(rules: readonly RepositoryRule[]): readonly string[] {
  return rules.flatMap(({ pattern, actions }) =>
    actions.map((action) => `repositories/${formatRepositoryPattern(pattern)}/${action}`)
  )
}

// A repository's name may hold every word of the grammar (`content/read` is one): the ends decide.
function parseRule(text: string): RepositoryRule | GatewayRule | string {
  const [, kind, name, verb] = /^(repositories|gateway)\/(.+)\/([^/]+\/[^/]+)$/.exec(text) ?? []
  if (!kind || !name) return 'must be repositories/<repository>/<action> or gateway/<name>/<action>'
  return kind === 'gateway' ? gatewayRule(name, verb) : repositoryRule(name, verb)
}

function repositoryRule(name: string, verb: string | undefined): RepositoryRule | string {
  const pattern = parseRepositoryPattern(name)
  const action = allActions.find((action) => action === verb)
  if (!pattern) return name.includes('*') ? 'a * must be the whole last segment' : 'is no repository name'
  return action ? { pattern, actions: [action] } : `must end with one of ${allActions.join(', ')}`
}

function gatewayRule(name: string, verb: string | undefined): GatewayRule | string {
  const action = gatewayActions.find((action) => action === verb)
  if (!/^[a-zA-Z0-9_-]+$/.test(name)) return 'is no name of a connected registry'
  return action ? { name: name.toLowerCase(), actions: [action] } : `must end with one of ${gatewayActions.join(', ')}`
}

function addRule<Verb, Rule extends { readonly actions: readonly Verb[] }>(
  rules: Map<string, Rule>,
  key: string,
  rule: Rule
): void {
  const known = rules.get(key)?.actions ?? []
  rules.set(key, { ...rule, actions: [...new Set([...known, ...rule.actions])] })
}
