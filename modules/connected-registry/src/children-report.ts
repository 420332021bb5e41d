import type { ChildOverview } from './children/child-reports.ts'

/** All registries below, counted, and the worst of them: what a twin has room for. The whole tree is in `GET /status`. */
export function descendantsSummary(children: readonly ChildOverview[]) {
  const all = flattenDescendants(children)
  if (all.length === 0) return undefined
  const count = (state: ChildOverview['connectionState']) => all.filter((one) => one.connectionState === state).length
  const worst = all
    .filter(({ connectionState }) => connectionState === 'Offline' || connectionState === 'Unhealthy')
    .sort((one, other) => (one.connectionState < other.connectionState ? -1 : 1))
  return {
    count: all.length,
    online: count('Online') + count('Syncing'),
    offline: count('Offline'),
    unhealthy: count('Unhealthy'),
    worst: worst.slice(0, worstLimit)
  }
}

/** All of them in one list, the near ones before those below them. */
export function flattenDescendants(children: readonly ChildOverview[]): readonly FlatDescendant[] {
  return children.flatMap((child) => flatten(child))
}

const worstLimit = 20
// Both come from below: whatever is said there, there must be room for what this registry says of itself.
const nameLimit = 100
const codeLimit = 40

/** Of what is below a registry that is silent, nobody knows better than that: its own state says so. */
function flatten({ name, connectionState, lastSeen, report }: ChildOverview, above = ''): readonly FlatDescendant[] {
  const path = `${above}${name}`
  const codes = [...new Set(report?.statusDetails?.map(({ code }) => code.slice(0, codeLimit)))].slice(0, 3)
  // The end of a long way down is what tells where it leads.
  const own = { name: path.slice(-nameLimit), connectionState, lastSeen, ...(codes.length > 0 && { codes }) }
  return [own, ...(report?.children ?? []).flatMap((child) => flatten(child, `${path}/`))]
}

export interface FlatDescendant {
  /** From the child of this registry down, with slashes. */
  readonly name: string
  readonly connectionState: ChildOverview['connectionState']
  readonly lastSeen?: string
  /** Of its status details. */
  readonly codes?: readonly string[]
}
