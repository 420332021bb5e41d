/** What a client asks a token endpoint for: `repository:<name>:<action,...>`, `registry:catalog:*` (ACR, "Scope mapping"). */
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
  const parts = [texts].flat().flatMap((text) => text.split(' '))
  return mergeTokenScopes(parts.map(parseTokenScope).filter((scope) => scope !== undefined))
}

export function formatTokenScope(scope: TokenScope): string {
  return `${scope.type}:${scope.name}:${scope.actions.join(',')}`
}

/** One scope for each type and name, with the actions of all. */
export function mergeTokenScopes(scopes: readonly TokenScope[]): readonly TokenScope[] {
  const merged = new Map<string, TokenScope>()
  for (const scope of scopes) {
    const key = `${scope.type}:${scope.name}`
    merged.set(key, { ...scope, actions: unique([...(merged.get(key)?.actions ?? []), ...scope.actions]) })
  }
  return [...merged.values()]
}

function unique(actions: readonly string[]): readonly string[] {
  return [...new Set(actions)]
}
