import { contains, matchesPattern, type RepositoryPattern } from '../protocol/repository-pattern.ts'
import type { Json } from '../storage/record-store.ts'

export type ChildMode = 'ReadOnly' | 'ReadWrite'

/** A connected registry directly below this one. */
export interface Child {
  /** 5 to 50 characters; compared without case. */
  readonly name: string
  readonly mode: ChildMode
  readonly repositories: readonly RepositoryPattern[]
  /** How long a message waits for it, milliseconds; after that it compares everything. */
  readonly messageTtlMs: number
  /** What it is configured with, in the shape of a twin's desired properties. Holds hashes of passwords. */
  readonly config: Readonly<Record<string, Json>>
  /** Names of all registries below it. */
  readonly descendants: readonly string[]
}

export interface ParentOfChildren {
  /** Undefined: it has no connection string. */
  readonly name?: string
  readonly mode: ChildMode
  readonly repositories: readonly RepositoryPattern[]
}

/** Why each of these cannot be a child of this registry; none where all can. */
export function childProblems(children: readonly Child[], parent: ParentOfChildren): ReadonlyMap<Child, string> {
  const problems = new Map<Child, string>()
  const taken = new Set(parent.name === undefined ? [] : [parent.name.toLowerCase()])
  for (const child of children) {
    const problem = nameProblem(child, taken) ?? scopeProblem(child, parent)
    if (problem !== undefined) problems.set(child, problem)
    for (const name of [child.name, ...child.descendants]) taken.add(name.toLowerCase())
  }
  return problems
}

export function isInScope(child: Child, repository: string): boolean {
  return child.repositories.some((pattern) => matchesPattern(pattern, repository))
}

// One name, one registry: a second one would take over the first one's messages, and a loop is the same name twice.
function nameProblem({ name, descendants }: Child, taken: ReadonlySet<string>): string | undefined {
  const own = [name, ...descendants].map((one) => one.toLowerCase())
  const twice = own.find((one, at) => taken.has(one) || own.indexOf(one) < at)
  return twice === undefined ? undefined : `the name '${twice}' is taken by another connected registry`
}

/**
 * A ReadWrite child of a ReadOnly registry, in ACR's words, where a mode never changes. Here it does, and it is no reason to leave the
 * child without what comes from above: it goes on, and only what is pushed there is refused, as every write is.
 */
export function modeProblem({ name, mode }: Child, parent: ParentOfChildren): string | undefined {
  if (parent.mode === 'ReadWrite' || mode === 'ReadOnly') return undefined
  const above = parent.name === undefined ? 'parent' : `parent '${parent.name}'`
  return `Can't create the registry '${name}' with mode '${mode}' when the connected registry ${above} mode is '${parent.mode}'.`
}

function scopeProblem({ repositories }: Child, parent: ParentOfChildren): string | undefined {
  const outside = repositories.find((pattern) => !parent.repositories.some((own) => contains(own, pattern)))
  if (!outside) return undefined
  const name = outside.kind === 'one' ? outside.repository : outside.kind === 'all' ? '*' : `${outside.prefix}*`
  return `repository ${name} is not among the repositories of this registry`
}
