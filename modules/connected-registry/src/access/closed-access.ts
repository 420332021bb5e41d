import { RegistryError } from '../protocol/errors.ts'
import type { Access } from './access.ts'

/**
 * Access while the store or the settings cannot be read. The keys of what was issued are there, or the tokens, so who is not
 * known may still be right: that is UNAVAILABLE, never UNAUTHORIZED, which would make clients forget a good login.
 */
export function createClosedAccess(access: Access, isClosed: () => boolean = () => true): Access {
  function orUnavailable<T>(found: T | undefined): T | undefined {
    if (found === undefined && isClosed()) throw new RegistryError('UNAVAILABLE')
    return found
  }

  return {
    signIn: async (login) => orUnavailable(await access.signIn(login)),
    recognize: async (accessToken) => orUnavailable(await access.recognize(accessToken)),
    issue: async (grant, request) => orUnavailable(await access.issue(grant, request))
  }
}
