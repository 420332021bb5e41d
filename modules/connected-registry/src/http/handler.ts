import type { Context } from 'koa'
import type { Identity } from '../access/tokens.ts'
import type { Origin } from '../registry/registry.ts'

/** What a request is about, taken from its path and found well formed and allowed before a handler sees it. */
export interface Target {
  /** Empty where the route names none. */
  readonly repository: string
  /** A tag, a digest or neither: the rest of the path, decoded. Empty where the route names none. */
  readonly reference: string
  /** A connected registry's name. Left out where the route names none. */
  readonly gateway?: string
  /** Who asks. Undefined where the route needs nobody. */
  readonly identity?: Identity
  /** Decides once more, after content has come or a wait is over, and before that counts: throws like the first time. Where one may. */
  readonly confirm?: () => Promise<void>
}

/** In whose name a change is made, as the change log says it. A route that changes something needs somebody. */
export function originOf({ identity }: Target): Origin {
  if (!identity) throw new Error('a change without anybody who makes it')
  return identity.child === undefined ? `client:${identity.name}` : `child:${identity.child}`
}

/** Answers a request, or throws a RegistryError. */
export type Handler = (ctx: Context, target: Target) => Promise<void> | void
