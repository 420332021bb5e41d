import { RegistryError } from '../protocol/errors.ts'
import type { Access } from './access.ts'

/** Why a name that is not known may be right all the same; `name` is undefined for what names nobody. Undefined: it is wrong. */
export type Awaited = (name: string | undefined) => string | undefined

/**
 * Access while the store or the settings cannot be read. The keys of what was issued are there, or the tokens, so who is not
 * known may still be right: that is UNAVAILABLE, never UNAUTHORIZED, which would make clients forget a good login.
 */
export function createClosedAccess(
  access: Access,
  awaited: Awaited = () => 'the data volume cannot be used yet'
): Access {
  function orUnavailable<T>(found: T | undefined, name?: string): T | undefined {
    const reason = found === undefined ? awaited(name) : undefined
    if (reason !== undefined) throw new RegistryError('UNAVAILABLE', { reason })
    return found
  }

  return {
    signIn: async (login) => orUnavailable(await access.signIn(login), login.name),
    recognize: async (accessToken) => orUnavailable(await access.recognize(accessToken)),
    issue: async (grant, request) =>
      orUnavailable(await access.issue(grant, request), 'name' in grant ? grant.name : undefined)
  }
}
