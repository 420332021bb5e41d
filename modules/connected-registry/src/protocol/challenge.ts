/** One way a server offers to be authenticated to (RFC 9110, section 11.6.1; RFC 6750, section 3). */
export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  readonly scheme: string
  readonly realm?: string
  readonly service?: string
  readonly scope?: string
  readonly error?: string
}

const parameterNames = ['realm', 'service', 'scope', 'error'] as const
type Draft = { -readonly [Name in keyof Challenge]: Challenge[Name] }

const token = /[\w!#$%&'*+.^`|~-]+/y
const parameterValue = /[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s",]*))/sy

/** Every challenge of a `WWW-Authenticate` header, in its order. What cannot be read is passed over; never throws. */
export function parseChallenges(header: string | undefined): readonly Challenge[] {
  const challenges: Draft[] = []
  const text = header ?? ''
  for (let at = 0; at < text.length; ) {
    const name = matchAt(token, text, at)?.[0].toLowerCase()
    if (!name) {
      at++
      continue
    }
    at += name.length
    const value = matchAt(parameterValue, text, at)
    if (value) addParameter(challenges.at(-1), name, value[1]?.replace(/\\(.)/gs, '$1') ?? value[2] ?? '')
    else challenges.push({ scheme: name })
    at += value?.[0].length ?? 0
  }
  return challenges
}

/** `WWW-Authenticate` of a registry that issues tokens (distribution's token specification, "How to authenticate"). */
export function formatBearerChallenge(challenge: Omit<Challenge, 'scheme'> & { readonly realm: string }): string {
  const parameters = parameterNames.flatMap((name) => {
    const value = challenge[name]
    return value ? [`${name}="${value.replace(/["\\]/g, '\\$&')}"`] : []
  })
  return `Bearer ${parameters.join(',')}`
}

// The first value of a name counts, so that nothing appended can replace it.
function addParameter(challenge: Draft | undefined, name: string, value: string): void {
  const known = parameterNames.find((known) => known === name)
  if (challenge && known && value) challenge[known] ??= value
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(text)
}
