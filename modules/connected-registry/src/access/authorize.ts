import { type Action, allows } from '../protocol/scope-map.ts'
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

/** The one place that decides. The mode comes first: a ReadOnly registry refuses every client write, whoever asks. */
export function authorize({ identity, action, repository, mode }: AccessRequest): Decision {
  if (!identity) return { kind: 'unauthenticated' }
  if (mode === 'ReadOnly' && !action.endsWith('/read')) return refusedByMode
  if (!allows(identity.scopeMap, action, repository)) return refusedByScope
  if (identity.access && !covers(identity.access, action, repository)) return { kind: 'unauthenticated' }
  return { kind: 'allowed' }
}

/**
 * May list repositories at all: whoever may read one of them. An access token must have been issued for `registry:catalog:*`.
 * Which ones a list shows is `mayList`.
 */
export function authorizeCatalog(identity: Identity | undefined): Decision {
  if (!identity) return { kind: 'unauthenticated' }
  if (!identity.scopeMap.repositories.some(({ actions }) => actions.some(isReading))) return refusedByScope
  if (identity.access && !identity.access.some(isCatalog)) return { kind: 'unauthenticated' }
  return { kind: 'allowed' }
}

/** A catalog shows what the scope map lets its reader see (ACR, "On the connected registry"). */
export function mayList({ scopeMap }: Identity, repository: string): boolean {
  return allows(scopeMap, 'content/read', repository) || allows(scopeMap, 'metadata/read', repository)
}

/** The scope of a catalog (token specification, "Resource Scope"). */
export const catalogScope: TokenScope = { type: 'registry', name: 'catalog', actions: ['*'] }

/** What of `scopes` an identity gets. What it may not have is left out, not refused (token specification, "Requesting a Token"). */
export function grantedScopes(identity: Identity, scopes: readonly TokenScope[], mode: Mode): readonly TokenScope[] {
  return scopes.map(granted).filter((scope) => scope.actions.length > 0)

  function granted(scope: TokenScope): TokenScope {
    if (scope.type === 'repository') return { ...scope, actions: wanted(scope.actions).filter(isGranted(scope.name)) }
    const isAllowed = isCatalog(scope) && authorizeCatalog(identity).kind === 'allowed'
    return isAllowed ? catalogScope : { ...scope, actions: [] }
  }

  function isGranted(repository: string): (action: ScopeAction) => boolean {
    return (action) => authorize({ identity, action: scopeActions[action], repository, mode }).kind === 'allowed'
  }
}

const everyScopeAction = Object.keys(scopeActions) as readonly ScopeAction[]

function wanted(actions: readonly string[]): readonly ScopeAction[] {
  return actions.includes('*') ? everyScopeAction : everyScopeAction.filter((action) => actions.includes(action))
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
