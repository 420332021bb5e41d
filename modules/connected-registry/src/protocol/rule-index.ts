import type { Action, RepositoryRule } from './scope-map.ts'

/** Rules by what their patterns say, so that a name is looked up and not compared with each of them. */
export interface RuleIndex {
  /** Some rule for this repository names the action. */
  allows(action: Action, repository: string): boolean
}

export function createRuleIndex(rules: readonly RepositoryRule[]): RuleIndex {
  const all = new Set<Action>()
  const one = new Map<string, Set<Action>>()
  const below = new Map<string, Set<Action>>()
  for (const { pattern, actions } of rules) {
    if (pattern.kind === 'all') addTo(all, actions)
    else if (pattern.kind === 'one') addTo(setOf(one, pattern.repository), actions)
    else addTo(setOf(below, pattern.prefix), actions)
  }

  function isAllowedBelow(action: Action, repository: string): boolean {
    for (let slash = repository.indexOf('/'); slash >= 0; slash = repository.indexOf('/', slash + 1)) {
      if (below.get(repository.slice(0, slash + 1))?.has(action)) return true
    }
    return false
  }

  return {
    allows: (action, repository) =>
      all.has(action) || one.get(repository)?.has(action) === true || isAllowedBelow(action, repository)
  }
}

function setOf(sets: Map<string, Set<Action>>, key: string): Set<Action> {
  const set = sets.get(key) ?? new Set()
  sets.set(key, set)
  return set
}

function addTo(set: Set<Action>, actions: readonly Action[]): void {
  for (const action of actions) set.add(action)
}
