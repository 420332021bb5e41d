import { hashPassword } from '../../../modules/connected-registry/src/access/passwords.ts'
import type { Token } from '../../../modules/connected-registry/src/access/tokens.ts'
import { parseScopeMap } from '../../../modules/connected-registry/src/protocol/scope-map.ts'

/** Of nobody's password, as cheap as those of the tokens here: where many logins fail, whose hash it is matters, and not its cost. */
export const nobodysHash = await hashPassword('nobody', 12)

export interface TokenOptions extends Partial<Omit<Token, 'name' | 'passwords' | 'scopeMap'>> {
  readonly name?: string
  readonly passwords?: readonly (string | { readonly password: string; readonly expiry: string })[]
  readonly actions?: readonly string[]
}

/** A token with cheap hashes: `reader` with password `secret` and the right to pull app/*, unless said otherwise. */
export async function aToken(options: TokenOptions = {}): Promise<Token> {
  const { name = 'reader', status = 'enabled', passwords = ['secret'] } = options
  const { scopeMap } = parseScopeMap(options.actions ?? ['repositories/app/*/content/read'])
  const hashed = passwords.map(async (one) =>
    typeof one === 'string'
      ? { hash: await hashPassword(one, 12) }
      : { hash: await hashPassword(one.password, 12), expiry: one.expiry }
  )
  return { name, status, passwords: await Promise.all(hashed), scopeMap }
}
