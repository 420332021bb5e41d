/** What an access token allows, in the claim's own shape. */
export interface Grant {
  readonly type: string
  readonly name: string
  readonly actions: readonly string[]
}

const scopeActions: Readonly<Record<string, string>> = {
  'content/read': 'pull',
  'content/write': 'push',
  'content/delete': 'delete',
  'metadata/read': 'metadata_read',
  'metadata/write': 'metadata_write'
}

/** Scopes as the token endpoint is asked for them: repeated, or joined by spaces. A name may hold a colon (a port). */
export function parseScopes(values: readonly string[]): readonly Grant[] {
  return values
    .flatMap((value) => value.split(' '))
    .map((scope) => /^([a-z-]+):(.+):([a-z_,*]+)$/.exec(scope))
    .filter((match) => match !== null)
    .map(([, type = '', name = '', actions = '']) => ({ type, name, actions: actions.split(',') }))
}

/**
 * The words of a scope that a scope map grants in a repository: `repositories/demo/app/content/read` grants `pull` in
 * `demo/app`. The pattern may be `*`, or end with one as its last part.
 */
export function grantedActions(scopeMap: readonly string[], repository: string): readonly string[] {
  return scopeMap.flatMap((action) => {
    const [, pattern = '', verb = ''] = /^repositories\/(.+)\/((?:content|metadata)\/[a-z]+)$/.exec(action) ?? []
    const word = scopeActions[verb]
    return word && covers(pattern, repository) ? [word] : []
  })
}

function covers(pattern: string, repository: string): boolean {
  if (pattern === '*' || pattern === repository) return true
  return pattern.endsWith('/*') && repository.startsWith(pattern.slice(0, -1))
}
