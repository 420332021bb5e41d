import type { Token } from './access/tokens.ts'
import { type Child, childProblems, modeProblem } from './children/child.ts'
import { type ChildSettings, childOf, syncTokenOf, type TokensByName, unknownTokens } from './children-settings.ts'
import type { Settings } from './settings.ts'

type ChildrenPart = Pick<Settings, 'connection' | 'mode' | 'repositories' | 'clientTokens' | 'children'>

export interface ChildrenInForce {
  readonly children: readonly Child[]
  /** Client tokens, and the sync tokens of these children. */
  readonly tokens: readonly Token[]
  /** Why a child of the settings is none: it cannot sign in, and the others go on. */
  readonly refused: readonly { readonly name: string; readonly problem: string }[]
  /** ReadWrite children of a ReadOnly registry: what is pushed there cannot go up. */
  readonly heldBack: readonly { readonly name: string; readonly problem: string }[]
}

const made = new WeakMap<ChildrenPart, ChildrenInForce>()

/** What the settings make of the registries below; the same answer for the same settings. */
export function childrenInForce(settings: ChildrenPart): ChildrenInForce {
  const known = made.get(settings) ?? make(settings)
  made.set(settings, known)
  return known
}

function make({ connection, mode, repositories, clientTokens, children }: ChildrenPart): ChildrenInForce {
  if (children.length === 0) return { children: [], tokens: clientTokens, refused: [], heldBack: [] }
  const parent = { name: connection?.registryName, mode, repositories }
  const known: TokensByName = new Map(clientTokens.map((token) => [token.name, token]))
  const all = children.map((settings) => ({ settings, child: childOf(settings, known) }))
  const wrong = childProblems(
    all.map(({ child }) => child),
    parent
  )
  const names = new Set(clientTokens.map(({ name }) => name.toLowerCase()))
  const judged = all.map(({ settings, child }) => ({
    settings,
    child,
    problem: wrong.get(child) ?? tokenProblem(settings, known, names)
  }))
  const good = judged.filter(({ problem }) => problem === undefined)
  return {
    children: good.map(({ child }) => child),
    tokens: [...clientTokens, ...good.map(({ settings }) => syncTokenOf(settings))],
    refused: judged.flatMap(({ child, problem }) => (problem === undefined ? [] : [{ name: child.name, problem }])),
    heldBack: good.flatMap(({ child }) => {
      const problem = modeProblem(child, parent)
      return problem === undefined ? [] : [{ name: child.name, problem }]
    })
  }
}

/** `taken`: names in lower case; the sync token's own is added. */
function tokenProblem(child: ChildSettings, known: TokensByName, taken: Set<string>): string | undefined {
  const name = child.syncToken.name.toLowerCase()
  if (taken.has(name)) return `the name of its sync token, ${child.syncToken.name}, is taken by another token`
  taken.add(name)
  const [unknown] = unknownTokens(child, known)
  return unknown === undefined ? undefined : `there is no client token ${unknown}`
}
