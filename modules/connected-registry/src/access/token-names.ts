import { isTokenName, type Token } from './tokens.ts'

/** Names of tokens that may be proved by the parent: one name, or all that begin so (`site-*`). */
export type TokenNamePattern =
  | { readonly kind: 'one'; readonly name: string }
  | { readonly kind: 'prefix'; readonly prefix: string }

/** Undefined: neither. A `*` stands at the end. */
export function parseTokenNamePattern(text: string): TokenNamePattern | undefined {
  if (!text.endsWith('*')) return isTokenName(text) ? { kind: 'one', name: text } : undefined
  const prefix = text.slice(0, -1)
  // A name may go on behind it.
  return prefix === '' || isTokenName(`${prefix}aa`) ? { kind: 'prefix', prefix } : undefined
}

export function matchesTokenName(patterns: readonly TokenNamePattern[], name: string): boolean {
  // What is no name is nobody's: with `*` the parent would be asked about anything, of many kilobytes as well.
  if (!isTokenName(name)) return false
  return patterns.some((pattern) => (pattern.kind === 'one' ? pattern.name === name : name.startsWith(pattern.prefix)))
}

export function formatTokenNamePattern(pattern: TokenNamePattern): string {
  return pattern.kind === 'one' ? pattern.name : `${pattern.prefix}*`
}

/** Whether a token of the list has a name, in capitals or not. The list is read only where it is another one than before. */
export function createTakenNames(tokens: () => readonly Token[]): (name: string) => boolean {
  let read: readonly Token[] = []
  let taken: ReadonlySet<string> = new Set()
  return (name) => {
    const current = tokens()
    if (current !== read) taken = new Set(current.map((token) => token.name.toLowerCase()))
    read = current
    return taken.has(name.toLowerCase())
  }
}
