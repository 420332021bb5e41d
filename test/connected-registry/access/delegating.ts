import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { type Access, createAccess } from '../../../modules/connected-registry/src/access/access.ts'
import { loadDelegatedTokens } from '../../../modules/connected-registry/src/access/delegated-tokens.ts'
import {
  createDelegation,
  type Delegation,
  type DelegationOptions
} from '../../../modules/connected-registry/src/access/delegation.ts'
import { hashPassword } from '../../../modules/connected-registry/src/access/passwords.ts'
import { loadSigningKeys } from '../../../modules/connected-registry/src/access/signing-keys.ts'
import { parseTokenNamePattern } from '../../../modules/connected-registry/src/access/token-names.ts'
import type { Token } from '../../../modules/connected-registry/src/access/tokens.ts'
import { ParentError } from '../../../modules/connected-registry/src/parent/parent-error.ts'
import { createTokenProofs } from '../../../modules/connected-registry/src/parent/token-proofs.ts'
import type { ParentConnection } from '../../../modules/connected-registry/src/protocol/connection-string.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import type { RecordStore } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { createLog } from '../../../modules/edge-module/src/log.ts'
import { type CloudRegistry, createCloudRegistry } from '../../simulators/cloud-registry/cloud-registry.ts'
import type { CloudToken } from '../../simulators/cloud-registry/tokens.ts'
import { connectionTo, openDispatcher } from '../parent/parent-rig.ts'
import { nobodysHash } from './some-tokens.ts'

export const reader: CloudToken = {
  name: 'site-reader',
  password: 'cloud-word=',
  actions: ['repositories/demo/*/content/read', 'repositories/demo/*/metadata/read']
}

export async function aCloud(t: TestContext): Promise<CloudRegistry> {
  const cloud = createCloudRegistry({ tokens: [reader] })
  await cloud.start()
  t.after(() => cloud.stop())
  return cloud
}

/** A site's access with delegation to a simulated cloud over real sockets; time passes by `advance` alone. */
export interface DelegatingSite {
  readonly delegation: Delegation
  readonly access: Access
  readonly records: RecordStore
  readonly connection: ParentConnection
  /** Milliseconds that clients waited for the parent, as far as they were told to. */
  readonly waits: readonly number[]
  /** Ends the waits from now on at once, or never. */
  patience: 'over' | 'endless'
  rules: { names: readonly string[]; keptForMs: number }
  repositories: readonly string[]
  configured: readonly Token[]
  advance(milliseconds: number): void
  /** Name of whoever is let in; undefined: nobody is. Throws as `Access.signIn`. */
  signIn(name?: string, password?: string, address?: string): Promise<string | undefined>
  /** The next change of what is on record. */
  changed(): Promise<unknown>
  logged(): string
  stop(): Promise<void>
}

/** Whom it has on record. */
export function namesOf({ delegation }: DelegatingSite): readonly string[] {
  return delegation.status().tokens.map(({ name }) => name)
}

export interface DelegatingOptions {
  readonly records?: RecordStore
  readonly connection?: ParentConnection
  readonly limits?: DelegationOptions['limits']
}

export async function aDelegatingSite(
  t: TestContext,
  parent: CloudRegistry | string,
  { records = createMemoryRecordStore(), limits, ...options }: DelegatingOptions = {}
): Promise<DelegatingSite> {
  const { connection = connectionTo(typeof parent === 'string' ? parent : parent.loginServer) } = options
  const dispatcher = openDispatcher(t, { retry: { retries: 0 }, breaker: { failures: 1000 } })
  dispatcher.know(connection.loginServerUrl.hostname)
  const prover = { ...createTokenProofs({ connection, dispatcher }), parent: connection.loginServer }
  const lines: string[] = []
  const log = createLog({ module: 'test', level: 'Debug', destination: { write: (line) => void lines.push(line) } })
  const changes = new EventTarget()
  const waits: number[] = []
  let now = Date.UTC(2026, 0, 1)

  const site: DelegatingSite = {
    records,
    connection,
    waits,
    patience: 'endless',
    rules: { names: ['site-*'], keptForMs: 7 * 24 * 3_600_000 },
    repositories: ['demo/app', 'demo/never-pulled', 'other'],
    configured: [],
    advance(milliseconds) {
      now += milliseconds
    },
    async signIn(name = reader.name, password = reader.password, address = '127.0.0.1') {
      return (await access.signIn({ name, password, address }))?.name
    },
    changed: () => once(changes, 'change'),
    logged: () => lines.join(''),
    stop: () => delegation.stop(),
    get delegation() {
      return delegation
    },
    get access() {
      return access
    }
  }
  const patterns = new Map<readonly string[], ReturnType<DelegationOptions['rules']>['patterns']>()
  const delegation = createDelegation({
    records: await loadDelegatedTokens(records),
    rules: () => {
      const { names, keptForMs } = site.rules
      const known = patterns.get(names) ?? names.map((name) => parseTokenNamePattern(name)!)
      patterns.set(names, known)
      return { patterns: known, keptForMs }
    },
    isConfigured: (name) => site.configured.some((token) => token.name === name),
    prover: () => prover,
    repositories: async () => site.repositories,
    problemOf: (error) => (error instanceof ParentError && !error.retryable ? error.message : undefined),
    onChange: () => void changes.dispatchEvent(new Event('change')),
    log,
    now: () => now,
    // As cheap as a hash may be: what is shown here is who is asked, and when.
    hash: (password) => hashPassword(password, 12),
    async wait(milliseconds, signal) {
      waits.push(milliseconds)
      if (site.patience === 'endless') await once(signal, 'abort')
    },
    ...(limits && { limits })
  })
  const signingKeys = await loadSigningKeys(records)
  const access = createAccess({
    tokens: () => site.configured,
    delegation,
    signingKeys,
    instanceId: 'site',
    log,
    now: () => now,
    nobodysHash
  })
  t.after(() => delegation.stop())
  return site
}
