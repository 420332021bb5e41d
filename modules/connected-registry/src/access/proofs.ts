import { createHash } from 'node:crypto'
import type { Log } from '@connected-registry/edge-module/log.ts'
import type { TokenScope } from '../protocol/token-scope.ts'
import { createKeyedTurns } from '../storage/turns.ts'
import { type ScopeAction, scopeActions } from './authorize.ts'
import type { NameAndPassword } from './credentials.ts'
import { type DelegatedToken, type DelegatedTokens, lastProof } from './delegated-tokens.ts'

/** The parent as the judge of credentials. Each call throws where it did not say: then nothing changes here. */
export interface Prover {
  /** The parent's host. */
  readonly parent: string
  isValid(credential: NameAndPassword, signal: AbortSignal): Promise<boolean>
  /** What it grants of these repositories. */
  grants(
    credential: NameAndPassword,
    repositories: readonly string[],
    signal: AbortSignal
  ): Promise<readonly TokenScope[]>
}

/** What the parent says of credentials, and what of it goes on record. */
export interface Proofs {
  /** Of a credential that is not on record. Throws where the parent did not say. */
  prove(credential: NameAndPassword): Promise<Outcome>
  /** Of one that is; false: it is not, or no longer. Throws where the parent did not say. */
  check(credential: NameAndPassword, hash: string): Promise<boolean>
}

export type Outcome =
  /** On record, under this hash. */
  | { readonly kind: 'proved'; readonly hash: string }
  | { readonly kind: 'refused' }
  /** The parent was not asked, did not say, or the settings changed meanwhile. `isLasting`: asking again does not help. */
  | { readonly kind: 'unknown'; readonly isLasting?: boolean }

export interface ProofsOptions {
  readonly records: DelegatedTokens
  readonly keptForMs: () => number
  /** Whether the name is the parent's to prove. */
  readonly covers: (name: string) => boolean
  /** Undefined: there is no parent. */
  readonly prover: () => Prover | undefined
  /** The repositories in our scope. */
  readonly repositories: () => Promise<readonly string[]>
  readonly onChange: () => void
  readonly log: Log
  readonly now: () => number
  /** What is kept of a password. */
  readonly hash: (password: string) => Promise<string>
  readonly signal: AbortSignal
}

type Granted = Pick<DelegatedToken, 'grants' | 'grantedAt' | 'scope'>

const grantsForMs = 5 * 60_000
const savedEveryMs = 3_600_000
const recordLimit = 500

export function createProofs(options: ProofsOptions): Proofs {
  const { records, covers, prover, repositories, keptForMs, onChange, log, now, signal } = options
  const inTurn = createKeyedTurns()

  async function prove(credential: NameAndPassword): Promise<Outcome> {
    const asked = prover()
    if (!asked) return { kind: 'unknown' }
    if (!(await asked.isValid(credential, signal))) return { kind: 'refused' }
    records.wake()
    const granted = await grantsFrom(asked, credential)
    const hash = await options.hash(credential.password)
    return inTurn(credential.name, () => note(asked, credential.name, hash, granted))
  }

  async function grantsFrom(asked: Prover, credential: NameAndPassword): Promise<Granted> {
    const wanted = await repositories()
    const granted = await asked.grants(credential, wanted, signal)
    const grants = granted.map(({ name, actions }) => ({
      repository: name,
      actions: actions.map((action) => scopeActions[action as ScopeAction]).filter((action) => action !== undefined)
    }))
    return { grants, grantedAt: now(), scope: scopeLabel(wanted) }
  }

  async function note(asked: Prover, name: string, hash: string, granted: Granted): Promise<Outcome> {
    if (!covers(name) || prover()?.parent !== asked.parent) return { kind: 'unknown' }
    await makeRoom(name)
    // ACR's tokens have two passwords. An earlier one stays until the parent itself refuses it.
    const earlier = onRecord(name)?.passwords.slice(0, 1) ?? []
    const passwords = [{ hash, provedAt: now() }, ...earlier]
    await records.put({ name, parent: asked.parent, passwords, ...granted })
    log.info({ token: name, repositories: granted.grants.length }, 'client token proved by the parent')
    onChange()
    return { kind: 'proved', hash }
  }

  /** What is over goes, and beyond the limit what was confirmed the longest ago. */
  async function makeRoom(name: string): Promise<void> {
    const others = records.all().filter((record) => record.name !== name)
    const oldestFirst = others.toSorted((one, other) => lastProof(one) - lastProof(other))
    for (const [at, record] of oldestFirst.entries()) {
      const isOver = lastProof(record) + keptForMs() <= now()
      if (isOver || oldestFirst.length - at >= recordLimit) await records.remove(record.name)
    }
  }

  async function check(credential: NameAndPassword, hash: string): Promise<boolean> {
    const { name } = credential
    const asked = prover()
    const record = onRecord(name)
    if (!asked || !record?.passwords.some((password) => password.hash === hash)) return false
    if (!(await asked.isValid(credential, signal))) {
      await inTurn(name, () => revoke(name, hash))
      return false
    }
    const isStale = record.scope !== scopeLabel(await repositories()) || isOlder(record.grantedAt, grantsForMs)
    const granted = isStale ? await grantsFrom(asked, credential) : undefined
    await inTurn(name, () => confirm(name, hash, granted))
    return true
  }

  async function revoke(name: string, hash: string): Promise<void> {
    const record = onRecord(name)
    if (!record) return
    const passwords = record.passwords.filter((password) => password.hash !== hash)
    log.warn({ token: name }, 'client token revoked by the parent')
    if (passwords.length === 0) await records.remove(name)
    else await records.put({ ...record, passwords })
    onChange()
  }

  async function confirm(name: string, hash: string, granted: Granted | undefined): Promise<void> {
    const record = onRecord(name)
    const known = record?.passwords.find((password) => password.hash === hash)
    if (!record || !known || !(granted || isOlder(known.provedAt, savedEveryMs))) return
    const passwords = record.passwords.map((password) => (password === known ? { hash, provedAt: now() } : password))
    await records.put({ ...record, passwords, ...granted })
    onChange()
  }

  function onRecord(name: string): DelegatedToken | undefined {
    const record = records.find(name)
    return record?.parent === prover()?.parent ? record : undefined
  }

  // A clock that was set back tells nothing of how long ago it was.
  function isOlder(moment: number, span: number): boolean {
    return Math.abs(now() - moment) >= span
  }

  return { prove, check }
}

function scopeLabel(repositories: readonly string[]): string {
  return createHash('sha256').update(repositories.toSorted().join('\n')).digest('base64url')
}
