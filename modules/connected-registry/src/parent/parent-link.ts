import type { Log } from '@connected-registry/edge-module/log.ts'
import type { ParentConnection } from '../protocol/connection-string.ts'
import type { Authentication } from './authentication.ts'
import type { ByteBudget } from './byte-budget.ts'
import type { Clock } from './clock.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { KeptPages } from './kept-pages.ts'
import type { ReferrersApi } from './referrers.ts'

/** What everything that is asked of one parent shares. */
export interface ParentLink {
  readonly connection: ParentConnection
  readonly dispatcher: Dispatcher
  readonly authentication: Authentication
  readonly clock: Clock
  readonly keptPages: KeptPages
  readonly referrersApi: ReferrersApi
  /** Whether it answers what `If-None-Match` names as if nobody had asked so. */
  readonly conditions: { areIgnored: boolean }
  /** For bodies of manifests, which are held whole. */
  readonly manifestBytes: ByteBudget
  readonly log: Log
}

/** A path below the login server. Names and references are checked before they come here, digests hold no '/'. */
export function urlOf({ connection }: Pick<ParentLink, 'connection'>, path: string): URL {
  return new URL(path, connection.loginServerUrl)
}

/** ACR, "Scope mapping"; distribution's token specification, "Resource Provider Use". */
export const scopes = {
  pull: (repository: string) => `repository:${repository}:pull`,
  push: (repository: string) => `repository:${repository}:pull,push`,
  remove: (repository: string) => `repository:${repository}:delete`,
  metadata: (repository: string) => `repository:${repository}:metadata_read`,
  catalog: 'registry:catalog:*'
} as const
