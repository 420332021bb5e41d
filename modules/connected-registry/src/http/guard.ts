import type { Context } from 'koa'
import type { Access } from '../access/access.ts'
import {
  authorize,
  authorizeAll,
  authorizeCatalog,
  authorizeGateway,
  catalogScope,
  type Decision,
  type GatewayScopeAction,
  type Mode,
  type ScopeAction
} from '../access/authorize.ts'
import type { Identity } from '../access/tokens.ts'
import { RegistryError } from '../protocol/errors.ts'
import { isRepositoryName } from '../protocol/reference.ts'
import { type Action, type GatewayAction, isGatewayAction } from '../protocol/scope-map.ts'
import type { TokenScope } from '../protocol/token-scope.ts'
import { authenticate, bearerRequired } from './authentication.ts'
import type { Handler } from './handler.ts'

/**
 * What a route asks for: an action on the repository or the gateway in its path, the right to list some, or to see
 * what is said of all, any client token in force, or nothing.
 */
export type Need = Action | GatewayAction | 'catalog' | 'every repository' | 'any token' | 'nothing'

export interface GuardOptions {
  readonly access: Access
  readonly mode: () => Mode
}

const scopesOf: Record<Action, readonly ScopeAction[]> = {
  'content/read': ['pull'],
  'content/write': ['pull', 'push'],
  'content/delete': ['delete'],
  'metadata/read': ['metadata_read'],
  'metadata/write': ['metadata_write']
}

/** What the router took from a path. */
export interface Place {
  readonly repository: string
  readonly reference: string
  /** A connected registry's name; empty where the path has none. */
  readonly gateway: string
  /** The repository's name is well formed, and stands in the path as it is. */
  readonly isNamed: boolean
}

export function placeOf(path: string, params: Partial<Record<keyof Place, string>>): Place {
  const { repository = '', reference = '', gateway = '' } = params
  return { repository, reference, gateway, isNamed: isNameIn(path, repository) }
}

const gatewayScopeOf: Record<GatewayAction, GatewayScopeAction> = {
  'config/read': 'config_read',
  'config/write': 'config_write',
  'message/read': 'message_read',
  'message/write': 'message_write'
}

/** The handler behind its need: who is asking, then what for, and only then what is there. */
export function guarded(need: Need, handle: Handler, options: GuardOptions) {
  const takesTime = need === 'content/write' || need === 'message/read'
  return async (ctx: Context, place: Place): Promise<void> => {
    if (need === 'nothing') return handle(ctx, { repository: '', reference: '' })
    const identity = await admit(ctx, need, place, options)
    // Content may take hours to come, a message a minute, and the right to bring or hear it may end meanwhile.
    const confirm = takesTime ? async () => void (await admit(ctx, need, place, options)) : undefined
    const { repository, reference, gateway } = place
    return handle(ctx, { repository, reference, gateway, identity, confirm })
  }
}

async function admit(
  ctx: Context,
  need: Exclude<Need, 'nothing'>,
  place: Place,
  { access, mode }: GuardOptions
): Promise<Identity | undefined> {
  const identity = await authenticate(access, ctx.req)
  if (need === 'any token') requireIdentity(ctx, identity)
  else if (need === 'catalog') requireList(ctx, identity, authorizeCatalog)
  else if (need === 'every repository') requireList(ctx, identity, authorizeAll)
  else if (isGatewayAction(need)) requireGateway(ctx, { identity, action: need, gateway: place.gateway })
  else requirePermission(ctx, place, { identity, action: need, repository: place.repository, mode: mode() })
  return identity
}

/** Where no route is: nobody learns that without a token, and what would change something is refused like any such thing. */
export function unrouted({ access, mode }: GuardOptions) {
  return async (ctx: Context): Promise<void> => {
    if (!ctx.path.startsWith('/v2/') && !ctx.path.startsWith('/acr/v1/'))
      throw new RegistryError('NAME_UNKNOWN', undefined, 'no such page')
    const identity = await authenticate(access, ctx.req)
    requireIdentity(ctx, identity)
    if (ctx.method === 'GET' || ctx.method === 'HEAD') throw new RegistryError('NAME_UNKNOWN')
    const decision = authorize({ identity, action: 'content/write', repository: '', mode: mode() })
    if (decision.kind === 'denied') throw new RegistryError('DENIED', undefined, decision.message)
    throw new RegistryError('UNSUPPORTED')
  }
}

function requireIdentity(ctx: Context, identity: Identity | undefined): void {
  if (!identity) throw bearerRequired(ctx, undefined, hasAuthorization(ctx) ? 'invalid_token' : undefined)
}

// What a challenge says is made only where there is one: this is the way of every request.
function requirePermission(ctx: Context, { isNamed }: Place, request: Parameters<typeof authorize>[0]): void {
  const { identity, action, repository } = request
  if (identity && !isNamed) throw new RegistryError('NAME_INVALID')
  const decision = authorize(request)
  if (decision.kind === 'allowed') return
  const scope: TokenScope = { type: 'repository', name: repository, actions: scopesOf[action] }
  throw refusal(ctx, decision, { identity, scope: isNamed ? scope : undefined })
}

function requireList(ctx: Context, identity: Identity | undefined, decide: typeof authorizeCatalog): void {
  const decision = decide(identity)
  if (decision.kind !== 'allowed') throw refusal(ctx, decision, { identity, scope: catalogScope })
}

// A client token is nobody here, whatever its scope map says; a child has its own gateway and no other.
function requireGateway(ctx: Context, request: Parameters<typeof authorizeGateway>[0]): void {
  const { identity, action, gateway } = request
  const decision = authorizeGateway(request)
  if (decision.kind === 'allowed') return
  const name = gateway.toLowerCase()
  throw refusal(ctx, decision, { identity, scope: { type: 'gateway', name, actions: [gatewayScopeOf[action]] } })
}

interface Asked {
  readonly identity: Identity | undefined
  readonly scope: TokenScope | undefined
}

/** 401 where another access token may help, or a login; else 403. */
function refusal(ctx: Context, decision: Exclude<Decision, { kind: 'allowed' }>, { identity, scope }: Asked) {
  if (decision.kind === 'denied') return new RegistryError('DENIED', undefined, decision.message)
  const error = identity ? 'insufficient_scope' : hasAuthorization(ctx) ? 'invalid_token' : undefined
  return bearerRequired(ctx, scope, error)
}

// The name stands in the path as it is: an encoded slash would be a second spelling of another repository.
function isNameIn(path: string, repository: string): boolean {
  if (!isRepositoryName(repository)) return false
  return path.startsWith(`/v2/${repository}/`) || `${path}/`.startsWith(`/acr/v1/${repository}/`)
}

function hasAuthorization(ctx: Context): boolean {
  return ctx.req.headers.authorization !== undefined
}
