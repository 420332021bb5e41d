import type { Child } from '../../../modules/connected-registry/src/children/child.ts'
import { parseRepositoryPattern } from '../../../modules/connected-registry/src/protocol/repository-pattern.ts'

export const dayMs = 24 * 3_600_000

export interface ChildShape extends Partial<Omit<Child, 'repositories'>> {
  readonly repositories?: readonly string[]
}

/** `site-a`, ReadOnly, which sees `app/*`. */
export function aChild({ repositories = ['app/*'], ...shape }: ChildShape = {}): Child {
  return {
    name: 'site-a',
    mode: 'ReadOnly',
    repositories: repositories.map((text) => parseRepositoryPattern(text)!),
    messageTtlMs: 2 * dayMs,
    config: { mode: 'ReadOnly', repositories },
    descendants: [],
    ...shape
  }
}
