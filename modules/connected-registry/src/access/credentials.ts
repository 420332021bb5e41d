import { type Attempts, createAttempts } from './attempts.ts'
import { createLine } from './line.ts'
import { verifyPassword } from './passwords.ts'
import { createRemembered } from './remembered.ts'
import { isAhead, isInForce, isTokenName, type Token, type Tokens } from './tokens.ts'

export interface NameAndPassword {
  readonly name: string
  readonly password: string
}

/** A name and a password, and where they came from. */
export interface Login extends NameAndPassword {
  /** Of the socket: what a header says of it counts for nothing. */
  readonly address: string
}

export type Proof =
  /** `hash`: of the password that was shown. */
  | { readonly kind: 'proved'; readonly token: Token; readonly hash: string }
  | { readonly kind: 'refused'; readonly reason: RefusalReason }
export type RefusalReason = 'unknown token' | 'disabled token' | 'expired password' | 'wrong password'

/** Proves names and passwords against the tokens that are known. */
export interface Credentials {
  /** Throws RegistryError TOOMANYREQUESTS where too many are in line, or have failed. */
  prove(login: Login): Promise<Proof>
}

export interface CredentialsOptions {
  readonly tokens: Tokens
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly attempts?: Attempts
  /** How many may be in line before others are refused; who is vouched for has as many places more. */
  readonly lineLimit?: number
  /** What passwords are tried against that no token has; as costly as ours where left out. */
  readonly nobodysHash?: string
}

const rememberedMs = 5 * 60_000
const vouchedMs = 24 * 3_600_000
const rememberedLimit = 1024
// Each proof tries two passwords, as many as a token may have, so that the time it takes does not tell which names exist.
const passwordsPerToken = 2
const costly = `scrypt$15$8$1$${'A'.repeat(22)}$${'A'.repeat(43)}`

/**
 * A hash costs tens of milliseconds and megabytes on purpose, so they are computed one at a time, and once for all who show the
 * same at the same time. What was proved is remembered for five minutes: Basic on each request is then as fast as an access
 * token. For a day it is vouched for: whoever guesses must neither shut out who knows a password, nor be in line before them. Nor must
 * one address keep the others from being heard for the first time.
 */
export function createCredentials({ tokens, now = Date.now, ...options }: CredentialsOptions): Credentials {
  const { attempts = createAttempts({ now }), lineLimit = 64, nobodysHash = costly } = options
  const inTurn = createLine(lineLimit)
  const remembered = createRemembered<string>({ now, limit: rememberedLimit })
  const vouched = createRemembered<true>({ now, limit: rememberedLimit })
  const underWay = new Map<string, Promise<Proof>>()

  async function prove(login: Login): Promise<Proof> {
    // Everybody may know the grammar, so this tells nothing; and no name of many kilobytes is kept anywhere.
    if (!isTokenName(login.name)) return { kind: 'refused', reason: 'unknown token' }
    return recall(login) ?? together(login)
  }

  function together(login: Login): Promise<Proof> {
    const secret = secretOf(login)
    const begun = underWay.get(secret) ?? attempt(login).finally(() => underWay.delete(secret))
    underWay.set(secret, begun)
    return begun
  }

  async function attempt(login: Login): Promise<Proof> {
    const secret = secretOf(login)
    const isVouched = vouched.recall(secret) === true
    const giveBack = isVouched ? () => {} : attempts.take(login.name, login.address)
    const proof = await inTurn(isVouched ? undefined : login.address, () => compute(login)).catch((error: unknown) => {
      giveBack()
      throw error
    })
    if (proof.kind === 'proved') giveBack()
    // Of what fails nothing is kept: guesses must not crowd out what is right.
    if (proof.kind === 'proved' || isVouched) {
      vouched.note(secret, true, proof.kind === 'proved' ? now() + vouchedMs : now())
    }
    return proof
  }

  function recall(login: Login): Proof | undefined {
    const hash = remembered.recall(secretOf(login))
    const token = hash === undefined ? undefined : tokens.find(login.name)
    return hash !== undefined && token && isInForce(token, hash, now()) ? { kind: 'proved', token, hash } : undefined
  }

  async function compute(login: Login): Promise<Proof> {
    const { name, password } = login
    const passwords = tokens.find(name)?.passwords.slice(0, passwordsPerToken) ?? []
    const hashes = passwords.map(({ hash }) => hash)
    for (const hash of [...hashes, nobodysHash, nobodysHash].slice(0, passwordsPerToken)) {
      if ((await verifyPassword(password, hash)) && hashes.includes(hash)) return judge(login, hash)
    }
    return judge(login, undefined)
  }

  // Asked again: computing takes a while, and the token may have changed meanwhile.
  function judge(login: Login, hash: string | undefined): Proof {
    const token = tokens.find(login.name)
    if (!token) return { kind: 'refused', reason: 'unknown token' }
    if (token.status !== 'enabled') return { kind: 'refused', reason: 'disabled token' }
    const password = token.passwords.find((password) => password.hash === hash)
    if (hash === undefined || !password) return { kind: 'refused', reason: 'wrong password' }
    if (!isAhead(password, now())) return { kind: 'refused', reason: 'expired password' }
    remembered.note(secretOf(login), hash, now() + rememberedMs)
    return { kind: 'proved', token, hash }
  }

  return { prove }
}

// A name holds no colon (RFC 7617).
export function secretOf({ name, password }: NameAndPassword): string {
  return `${name}:${password}`
}
