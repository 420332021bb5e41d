import type { Challenge } from '../protocol/challenge.ts'
import type { ParentConnection } from '../protocol/connection-string.ts'
import type { Answer } from './answer.ts'
import { ParentError } from './parent-error.ts'

/**
 * The realm decides where the password goes (CVE-2026-33540): to the configured host only, at any port, and never from https
 * to http. `URL` writes every spelling of an address alike. A registrable domain is no owner: azurecr.io has many.
 */
export function realmOf(connection: ParentConnection, challenge: Challenge, { operation, url, status }: Answer): URL {
  const realm = URL.parse(challenge.realm ?? '')
  const own = connection.loginServerUrl
  const isSafe = realm?.protocol === 'https:' || (realm?.protocol === 'http:' && own.protocol === 'http:')
  if (realm && isSafe && realm.hostname === own.hostname && !realm.username && !realm.password) return realm
  const detail = realm ? `${realm.protocol}//${realm.host}` : 'the realm is no URL'
  throw new ParentError('REALM_REFUSED', { operation, url, status, detail })
}
