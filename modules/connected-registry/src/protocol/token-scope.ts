/**
 * What a client asks a token endpoint for: `repository:<name>:<action,...>`, `registry:catalog:*` (ACR, "Scope mapping"), and our
 * own `gateway:<name>:<action,...>`.
 */
export interface TokenScope {
  readonly type: string
  readonly name: string
  readonly actions: readonly string[]
}

/**
 * One scope, or undefined where it is none. A name may hold colons (`host:5000/app`): the type ends at the first one and
 * the actions begin at the last one. A resource class, as in `repository(plugin)`, is left out.
 */
export function parseTokenScope(text: string): TokenScope | undefined {
  const first = text.indexOf(':')
  const last = text.lastIndexOf(':')
  const [, type] = /^([a-z0-9-]+)(?:\([a-z0-9]+\))?$/.exec(text.slice(0, Math.max(first, 0))) ?? []
  const name = text.slice(first + 1, last)
  if (!type || !name || /\s/.test(name)) return undefined
  const actions = text.slice(last + 1).split(',')
  return actions.every((action) => /^(?:[a-z_]+|\*)$/.test(action))
    ? { type, name, actions: unique(actions) }
    : undefined
}

/** All scopes of a request: the parameter may be repeated, and containerd puts several into one. What is none is left out. */
export function parseTokenScopes(texts: string | readonly string[]): readonly TokenScope[] {
  return mergeTokenScopes(
    splitTokenScopes(texts)
      .map(parseTokenScope)
      .filter((scope) => scope !== undefined)
  )
}

/** The scopes of a request one by one, unread. */
export function splitTokenScopes(texts: string | readonly string[]): readonly string[] {
  return [texts].flat().flatMap((text) => text.split(' ').filter((part) => part !== ''))
}

export function formatTokenScope(scope: TokenScope): string {
  return `${scope.type}:${scope.name}:${scope.actions.join(',')}`
}

/** One scope for each type and name, with the actions of all. */
export function mergeTokenScopes(scopes: readonly TokenScope[]): readonly TokenScope[] {
  const merged = new Map<string, { readonly scope: TokenScope; readonly actions: Set<string> }>()
  for (const scope of scopes) {
    const key = `${scope.type}:${scope.name}`
    const known = merged.get(key)
    if (!known) merged.set(key, { scope, actions: new Set(scope.actions) })
    else for (const action of scope.actions) known.actions.add(action)
  }
  return Array.from(merged.values(), ({ scope, actions }) => ({ ...scope, actions: [...actions] }))
}

function unique(actions: readonly string[]): readonly string[] {
  return [...new Set(actions)]
}
