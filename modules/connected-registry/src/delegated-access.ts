import type { Log } from '@connected-registry/edge-module/log.ts'
import type { DelegatedTokens } from './access/delegated-tokens.ts'
import { createDelegation, type Delegation } from './access/delegation.ts'
import type { Prover } from './access/proofs.ts'
import { createTakenNames } from './access/token-names.ts'
import { childrenInForce } from './children-in-force.ts'
import { ParentError } from './parent/parent-error.ts'
import { isPattern } from './protocol/repository-pattern.ts'
import type { Registry } from './registry/registry.ts'
import type { Settings } from './settings.ts'
import { isInScope } from './sync/scope.ts'

export interface DelegatedAccessOptions {
  readonly settings: () => Settings
  readonly prover: () => Prover | undefined
  readonly proofs: DelegatedTokens
  readonly registry: Registry
  readonly log: Log
  readonly onChange?: () => void
}

const pageSize = 1000

/** Client tokens of the parent, by the settings in force: which names, for how long, and for which repositories. */
export function delegateTo({ settings, prover, proofs, registry, log, onChange }: DelegatedAccessOptions): Delegation {
  return createDelegation({
    records: proofs,
    rules: () => ({ patterns: settings().delegatedNames, keptForMs: settings().delegatedForMs }),
    isConfigured: createTakenNames(() => childrenInForce(settings()).tokens),
    prover,
    repositories: () => repositoriesInScope(settings(), registry),
    problemOf,
    onChange: onChange ?? (() => {}),
    log
  })
}

/** Those that are named, pulled or not, and of those below a pattern what is here. */
async function repositoriesInScope(
  { repositories: patterns }: Settings,
  registry: Registry
): Promise<readonly string[]> {
  const found = new Set(patterns.flatMap((pattern) => (pattern.kind === 'one' ? [pattern.repository] : [])))
  const wildcards = patterns.filter(isPattern)
  if (wildcards.length === 0) return [...found]
  for await (const name of everyRepository(registry)) if (isInScope(wildcards, name)) found.add(name)
  return [...found]
}

async function* everyRepository({ repositories }: Registry): AsyncGenerator<string> {
  let after: string | undefined
  for (;;) {
    const page = await repositories.list({ after, limit: pageSize })
    yield* page
    if (page.length < pageSize) return
    after = page.at(-1)
  }
}

function problemOf(error: unknown): string | undefined {
  return error instanceof ParentError && !error.retryable ? error.message : undefined
}
