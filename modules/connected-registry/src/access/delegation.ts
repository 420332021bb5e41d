import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '@connected-registry/edge-module/log.ts'
import { RegistryError } from '../protocol/errors.ts'
import { type AttemptLimits, createAttempts } from './attempts.ts'
import { type Login, secretOf } from './credentials.ts'
import { type DelegatedToken, type DelegatedTokens, lastProof, tokenOf } from './delegated-tokens.ts'
import { hashPassword } from './passwords.ts'
import { createProofs, type Outcome, type Prover } from './proofs.ts'
import { createRechecks } from './rechecks.ts'
import { createRemembered } from './remembered.ts'
import { matchesTokenName, type TokenNamePattern } from './token-names.ts'
import { isAhead, type Token } from './tokens.ts'

/**
 * Client tokens that nobody configured here: the parent proves a name and a password once, and from then on they are answered
 * from the record, online or not, until the parent itself takes them back or has not confirmed them for a set time.
 */
export interface Delegation {
  /** What is on record of allowed names. Another list after each change. */
  tokens(): readonly Token[]
  /** The name may be proved by the parent. */
  covers(name: string): boolean
  /**
   * For a password that is not on record: its hash where the parent accepts it, undefined where the parent says no. A name that is
   * on record is never waited for, another one two seconds. Throws RegistryError TOOMANYREQUESTS where the parent has not said.
   */
  prove(login: Login): Promise<string | undefined>
  /** A password on record, or what was issued for it, was used: the parent is asked again, now or within a minute. */
  used(name: string, hash: string, password?: string): void
  /** Asks about everything that was used since the parent was last asked. */
  recheck(): Promise<void>
  status(): DelegationStatus
  stop(): Promise<void>
}

export interface DelegationStatus {
  readonly tokens: readonly DelegatedTokenStatus[]
  /** Why the parent could not be asked, where asking again does not help. */
  readonly problem?: string
}

export interface DelegatedTokenStatus {
  readonly name: string
  /** Both RFC 3339. */
  readonly provedAt: string
  readonly keptUntil: string
  readonly repositories: number
}

/** Which names, and for how long without another word from the parent. */
export interface DelegationRules {
  readonly patterns: readonly TokenNamePattern[]
  readonly keptForMs: number
}

export interface DelegationOptions {
  readonly records: DelegatedTokens
  readonly rules: () => DelegationRules
  /** Names that are configured here are not the parent's to prove. */
  readonly isConfigured: (name: string) => boolean
  /** Undefined: there is no parent. */
  readonly prover: () => Prover | undefined
  /** The repositories in our scope. */
  readonly repositories: () => Promise<readonly string[]>
  /** What asking again does not mend, in words for the status. */
  readonly problemOf: (error: unknown) => string | undefined
  readonly onChange: () => void
  readonly log: Log
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly wait?: (milliseconds: number, signal: AbortSignal) => Promise<void>
  readonly limits?: AttemptLimits
  /** What is kept of a password. */
  readonly hash?: (password: string) => Promise<string>
}

const none: readonly Token[] = []
const patienceMs = 2000
const rememberedMs = 60_000
const runningLimit = 8
// Tighter than for guesses at our own hashes: these are asked of the parent, in our name.
const defaultLimits: AttemptLimits = {
  name: { burst: 5, everyMs: 12_000 },
  address: { burst: 20, everyMs: 3000 },
  total: { burst: 40, everyMs: 1500 }
}

export function createDelegation(options: DelegationOptions): Delegation {
  const { records, rules, isConfigured, log, now = Date.now, wait = sleep, limits = defaultLimits, onChange } = options
  const attempts = createAttempts({ now, limits })
  const refused = createRemembered<true>({ now, limit: 1024 })
  /** Hashes of what was proved just now: others may have come with the same while that was asked. */
  const proved = createRemembered<string>({ now, limit: 1024 })
  const running = new Map<string, Promise<Outcome>>()
  const stopping = new AbortController()
  const { signal } = stopping
  let problem: string | undefined
  let cached: { readonly of: readonly unknown[]; readonly tokens: readonly Token[] } = { of: [], tokens: [] }
  const prover = () => watched(options.prover())
  const keptForMs = () => rules().keptForMs
  const { repositories, hash = hashPassword } = options
  const proofs = createProofs({ records, keptForMs, covers, prover, repositories, onChange, log, now, hash, signal })
  const rechecks = createRechecks({ check: proofs.check, log, now, signal })

  function covers(name: string): boolean {
    return matchesTokenName(rules().patterns, name) && !isConfigured(name)
  }

  function tokens(): readonly Token[] {
    const { patterns, keptForMs } = rules()
    if (patterns.length === 0) return none
    const of = [records.all(), patterns, keptForMs, options.prover()?.parent]
    if (of.some((part, at) => part !== cached.of[at])) {
      cached = { of, tokens: allowedRecords().map((record) => tokenOf(record, keptForMs)) }
    }
    return cached.tokens
  }

  function allowedRecords(): readonly DelegatedToken[] {
    const parent = options.prover()?.parent
    const { patterns } = rules()
    return records.all().filter((record) => record.parent === parent && matchesTokenName(patterns, record.name))
  }

  function isKnown(name: string): boolean {
    const token = tokens().find((token) => token.name === name)
    return token?.passwords.some((password) => isAhead(password, now())) ?? false
  }

  function isOnRecord(name: string, hash: string): boolean {
    return records.find(name)?.passwords.some((password) => password.hash === hash) ?? false
  }

  async function prove(login: Login): Promise<string | undefined> {
    const secret = secretOf(login)
    const hash = proved.recall(secret)
    if (hash !== undefined && isOnRecord(login.name, hash)) return hash
    if (refused.recall(secret)) return undefined
    const asked = ask(login)
    const outcome = isKnown(login.name) ? undefined : await withinPatience(asked)
    if (outcome?.kind === 'unknown') throw notYet('the parent cannot say now whether this token is valid')
    if (!outcome) throw notYet('the parent is being asked whether this token is valid')
    return outcome.kind === 'proved' ? outcome.hash : undefined
  }

  /** One question for each credential. It goes on when nobody waits for it any more. */
  function ask(login: Login): Promise<Outcome> {
    const secret = secretOf(login)
    const asked = running.get(secret)
    if (asked) return asked
    if (running.size >= runningLimit) throw notYet('the parent is being asked about other tokens')
    const giveBack = attempts.take(login.name, login.address)
    const question = askParent(login)
      .then((outcome) => {
        if (outcome.kind === 'refused') refused.note(secret, true, now() + rememberedMs)
        // What costs a request each time and never tells must not be free: anybody may ask.
        else if (!isLasting(outcome)) giveBack()
        if (outcome.kind === 'proved') proved.note(secret, outcome.hash, now() + rememberedMs)
        return outcome
      })
      .finally(() => running.delete(secret))
    running.set(secret, question)
    return question
  }

  /** Never fails: what the parent did not say is not known. */
  async function askParent({ name, password }: Login): Promise<Outcome> {
    const credential = { name, password }
    try {
      const outcome = await proofs.prove(credential)
      if (outcome.kind === 'proved') rechecks.asked(credential, outcome.hash)
      return outcome
    } catch (error) {
      if (!signal.aborted) log.warn({ token: name, reason: String(error) }, 'client token not proved')
      return { kind: 'unknown', isLasting: options.problemOf(error) !== undefined }
    }
  }

  /** Notes what stands in the way of asking at all. */
  function watched(asked: Prover | undefined): Prover | undefined {
    if (!asked) return undefined
    async function isValid(...question: Parameters<Prover['isValid']>): Promise<boolean> {
      try {
        const valid = await asked!.isValid(...question)
        tell(undefined)
        return valid
      } catch (error) {
        tell(options.problemOf(error) ?? problem)
        throw error
      }
    }
    return { ...asked, isValid }
  }

  function tell(next: string | undefined): void {
    if (next === problem) return
    problem = next
    onChange()
  }

  async function withinPatience(asked: Promise<Outcome>): Promise<Outcome | undefined> {
    const over = new AbortController()
    const waited = wait(patienceMs, AbortSignal.any([over.signal, signal])).then(
      () => undefined,
      () => undefined
    )
    return Promise.race([asked, waited]).finally(() => over.abort())
  }

  function status(): DelegationStatus {
    const shown = allowedRecords().map((record) => statusOf(record, keptForMs()))
    return { tokens: shown, ...(problem !== undefined && { problem }) }
  }

  return {
    tokens,
    covers,
    prove,
    used(name, hash, password) {
      if (isOnRecord(name, hash) && covers(name))
        rechecks.used(hash, password === undefined ? undefined : { name, password })
    },
    recheck: rechecks.run,
    status,
    async stop() {
      stopping.abort()
      await Promise.allSettled([...running.values(), rechecks.stop()])
    }
  }
}

function isLasting(outcome: Outcome): boolean {
  return outcome.kind === 'unknown' && outcome.isLasting === true
}

function statusOf(record: DelegatedToken, keptForMs: number): DelegatedTokenStatus {
  const provedAt = lastProof(record)
  return {
    name: record.name,
    provedAt: new Date(provedAt).toISOString(),
    keptUntil: new Date(provedAt + keptForMs).toISOString(),
    repositories: record.grants.length
  }
}

function notYet(reason: string): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', { retryAfterSeconds: 2 }, `${reason}: try again`)
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return delay(milliseconds, undefined, { signal, ref: false })
}
