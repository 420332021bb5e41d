import { isRepositoryName } from '../protocol/reference.ts'
import { type Action, allows, allowsGateway, type GatewayAction } from '../protocol/scope-map.ts'
import type { TokenScope } from '../protocol/token-scope.ts'
import type { Identity } from './tokens.ts'

/** What clients may do here at all, whatever their scope map says. */
export type Mode = 'ReadOnly' | 'ReadWrite'

export type Decision =
  | { readonly kind: 'allowed' }
  | { readonly kind: 'denied'; readonly message: string }
  /** Nobody, or an access token issued for something else: a client that asks for a new one may be allowed. */
  | { readonly kind: 'unauthenticated' }

export interface AccessRequest {
  readonly identity: Identity | undefined
  readonly action: Action
  readonly repository: string
  readonly mode: Mode
}

const allowed = { kind: 'allowed' } as const
const unauthenticated = { kind: 'unauthenticated' } as const
// The texts are ACR's: users and scripts know them (ACR, "Client-visible error strings").
const refusedByMode = { kind: 'denied', message: 'This operation is not allowed on this registry.' } as const
const refusedByScope = { kind: 'denied', message: 'Insufficient scopes to perform the operation' } as const

/** The words of token scopes for the actions of scope maps (ACR, "Scope mapping"). */
export const scopeActions = {
  pull: 'content/read',
  push: 'content/write',
  delete: 'content/delete',
  metadata_read: 'metadata/read',
  metadata_write: 'metadata/write'
} as const satisfies Record<string, Action>
export type ScopeAction = keyof typeof scopeActions

/** The same for gateways. ACR's own words for these are not published. */
export const gatewayScopeActions = {
  config_read: 'config/read',
  config_write: 'config/write',
  message_read: 'message/read',
  message_write: 'message/write'
} as const satisfies Record<string, GatewayAction>
export type GatewayScopeAction = keyof typeof gatewayScopeActions

/** The one place that decides. The mode comes first: a ReadOnly registry refuses every client write, whoever asks. */
export function authorize({ identity, action, repository, mode }: AccessRequest): Decision {
  if (!identity) return unauthenticated
  if (mode === 'ReadOnly' && !action.endsWith('/read')) return refusedByMode
  if (!allows(identity.scopeMap, action, repository)) return refusedByScope
  if (identity.access && !covers(identity.access, action, repository)) return unauthenticated
  return allowed
}

export interface GatewayRequest {
  readonly identity: Identity | undefined
  readonly action: GatewayAction
  /** Of a connected registry. */
  readonly gateway: string
}

/** The same for the channel of a connected registry, where the mode does not matter: sync itself writes there. For sync tokens only. */
export function authorizeGateway({ identity, action, gateway }: GatewayRequest): Decision {
  if (!identity) return unauthenticated
  if (identity.child === undefined || !allowsGateway(identity.scopeMap, action, gateway)) return refusedByScope
  if (identity.access && !coversGateway(identity.access, action, gateway)) return unauthenticated
  return allowed
}

/**
 * May list repositories at all: whoever may read one of them. An access token must have been issued for `registry:catalog:*`.
 * Which ones a list shows is `mayList`.
 */
export function authorizeCatalog(identity: Identity | undefined): Decision {
  if (!identity) return unauthenticated
  if (!identity.scopeMap.repositories.some(({ actions }) => actions.some(isReading))) return refusedByScope
  if (identity.access && !identity.access.some(isCatalog)) return unauthenticated
  return allowed
}

/** A catalog shows what the scope map lets its reader see (ACR, "On the connected registry"). */
export function mayList({ scopeMap }: Identity, repository: string): boolean {
  return allows(scopeMap, 'content/read', repository) || allows(scopeMap, 'metadata/read', repository)
}

/** May see what is said of all repositories: with a right to read every one, and, by access token, to list them. */
export function authorizeAll(identity: Identity | undefined): Decision {
  if (!identity) return unauthenticated
  const readsAll = identity.scopeMap.repositories.some(
    ({ pattern, actions }) => pattern.kind === 'all' && actions.some(isReading)
  )
  return readsAll ? authorizeCatalog(identity) : refusedByScope
}

export function maySeeAll(identity: Identity): boolean {
  return authorizeAll(identity).kind === 'allowed'
}

/** The scope of a catalog (token specification, "Resource Scope"). */
export const catalogScope: TokenScope = { type: 'registry', name: 'catalog', actions: ['*'] }

/** What of `scopes` an identity gets. What it may not have is left out, not refused (token specification, "Requesting a Token"). */
export function grantedScopes(identity: Identity, scopes: readonly TokenScope[], mode: Mode): readonly TokenScope[] {
  return scopes.map((scope) => ({ ...scope, actions: granted(scope) })).filter(({ actions }) => actions.length > 0)

  function granted(scope: TokenScope): readonly string[] {
    if (scope.type === 'repository') return repositoryActions(scope)
    if (scope.type === 'gateway') return gatewayActions(scope)
    return isCatalog(scope) && authorizeCatalog(identity).kind === 'allowed' ? catalogScope.actions : []
  }

  // A scope map for all repositories says nothing of what cannot be one.
  function repositoryActions({ name, actions }: TokenScope): readonly ScopeAction[] {
    if (!isRepositoryName(name)) return []
    return wanted(everyScopeAction, actions).filter((word) => {
      return authorize({ identity, action: scopeActions[word], repository: name, mode }).kind === 'allowed'
    })
  }

  function gatewayActions({ name, actions }: TokenScope): readonly GatewayScopeAction[] {
    return wanted(everyGatewayAction, actions).filter((word) => {
      return authorizeGateway({ identity, action: gatewayScopeActions[word], gateway: name }).kind === 'allowed'
    })
  }
}

const everyScopeAction = Object.keys(scopeActions) as readonly ScopeAction[]
const everyGatewayAction = Object.keys(gatewayScopeActions) as readonly GatewayScopeAction[]

function wanted<Word extends string>(every: readonly Word[], words: readonly string[]): readonly Word[] {
  return words.includes('*') ? every : every.filter((word) => words.includes(word))
}

function isCatalog({ type, name, actions }: TokenScope): boolean {
  return type === catalogScope.type && name === catalogScope.name && actions.includes('*')
}

function isReading(action: Action): boolean {
  return action === 'content/read' || action === 'metadata/read'
}

function covers(access: readonly TokenScope[], action: Action, repository: string): boolean {
  return access.some(
    (scope) =>
      scope.type === 'repository' &&
      scope.name === repository &&
      scope.actions.some((granted) => scopeActions[granted as ScopeAction] === action)
  )
}

function coversGateway(access: readonly TokenScope[], action: GatewayAction, gateway: string): boolean {
  return access.some(
    (scope) =>
      scope.type === 'gateway' &&
      scope.name.toLowerCase() === gateway.toLowerCase() &&
      scope.actions.some((granted) => gatewayScopeActions[granted as GatewayScopeAction] === action)
  )
}
