import { z } from 'zod'
import { type Action, allActions, type ScopeMap } from '../protocol/scope-map.ts'
import { keys } from '../storage/layout.ts'
import type { Json, RecordStore } from '../storage/record-store.ts'
import type { Token } from './tokens.ts'

/** What the parent said of a client token that nobody configured here. */
export interface DelegatedToken {
  readonly name: string
  /** The parent that said so: what it says counts for itself alone. */
  readonly parent: string
  /** Two at most, the latest first. */
  readonly passwords: readonly ProvedPassword[]
  readonly grants: readonly Grant[]
  /** When the grants were asked for, and for which repositories (`scopeLabel`). */
  readonly grantedAt: number
  readonly scope: string
}

export interface ProvedPassword {
  readonly hash: string
  /** When the parent last accepted it, milliseconds since 1970. */
  readonly provedAt: number
}

export interface Grant {
  readonly repository: string
  readonly actions: readonly Action[]
}

/** The records of delegated tokens, read once and held in memory. A change counts when it is durable. */
export interface DelegatedTokens {
  find(name: string): DelegatedToken | undefined
  all(): readonly DelegatedToken[]
  /** One is about to be put on record. A hint, as that of the record store. */
  wake(): void
  /** Another array after each change. */
  put(token: DelegatedToken): Promise<void>
  /** Counts at once: a revoked token must not outlive a full disk. */
  remove(name: string): Promise<void>
}

// What a Date can hold, with the time it is kept for.
const moment = z.number().min(0).max(8e15)
const recordShape = z.object({
  name: z.string(),
  parent: z.string(),
  passwords: z
    .array(z.object({ hash: z.string(), provedAt: moment }))
    .min(1)
    .max(2),
  grants: z.array(z.object({ repository: z.string(), actions: z.array(z.enum(allActions)) })),
  grantedAt: moment,
  scope: z.string()
})
const pageLimit = 100

export async function loadDelegatedTokens(
  records: Pick<RecordStore, 'list' | 'commit' | 'wake'>
): Promise<DelegatedTokens> {
  const known = new Map<string, DelegatedToken>()
  for await (const record of everyRecord(records)) {
    const parsed = recordShape.safeParse(record)
    // What cannot be read proves nothing; the next proof writes it anew.
    if (parsed.success) known.set(parsed.data.name, parsed.data)
  }
  let list: readonly DelegatedToken[] = [...known.values()]
  const changed = () => {
    list = [...known.values()]
  }
  return {
    find: (name) => known.get(name),
    all: () => list,
    wake: records.wake,
    async put(token) {
      await records.commit({ put: [[keys.delegated(token.name), token as unknown as Json]] })
      known.set(token.name, token)
      changed()
    },
    async remove(name) {
      known.delete(name)
      changed()
      await records.commit({ remove: [keys.delegated(name)] })
    }
  }
}

async function* everyRecord(records: Pick<RecordStore, 'list'>): AsyncGenerator<unknown> {
  let after: string | undefined
  for (;;) {
    const page = await records.list(keys.delegatedTokens, { limit: pageLimit, ...(after !== undefined && { after }) })
    for (const [, record] of page) yield record
    if (page.length < pageLimit) return
    after = page.at(-1)?.[0]
  }
}

/** Milliseconds since 1970. */
export function lastProof({ passwords }: DelegatedToken): number {
  return Math.max(...passwords.map(({ provedAt }) => provedAt))
}

/** As every other part of `access` sees it: its passwords expire `keptForMs` after the parent last accepted them. */
export function tokenOf({ name, passwords, grants }: DelegatedToken, keptForMs: number): Token {
  return {
    name,
    status: 'enabled',
    passwords: passwords.map(({ hash, provedAt }) => ({ hash, expiry: new Date(provedAt + keptForMs).toISOString() })),
    scopeMap: scopeMapOf(grants)
  }
}

function scopeMapOf(grants: readonly Grant[]): ScopeMap {
  const repositories = grants.map(({ repository, actions }) => {
    return { pattern: { kind: 'one', repository }, actions } as const
  })
  return { repositories, gateways: [] }
}
