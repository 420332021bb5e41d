import { RegistryError } from '../protocol/errors.ts'
import type { Access } from './access.ts'

/**
 * Access while the store cannot be read. The keys of what was issued are there, so who is not known may still be right: that is
 * UNAVAILABLE, never UNAUTHORIZED, which would make clients forget a good login.
 */
export function createClosedAccess(access: Access): Access {
  return {
    signIn: async (login) => orUnavailable(await access.signIn(login)),
    recognize: async (accessToken) => orUnavailable(await access.recognize(accessToken)),
    issue: async (grant, request) => orUnavailable(await access.issue(grant, request))
  }
}

function orUnavailable<T>(found: T | undefined): T {
  if (found === undefined) throw new RegistryError('UNAVAILABLE')
  return found
}
