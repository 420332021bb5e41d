/**
 * Regular expressions in time linear in the text, whatever the pattern: it comes from an operator's settings, and `RegExp` takes
 * for ever over some. All states that a text can lead to are followed side by side (Thompson, 1968).
 * The usual syntax without what needs more memory than a state: no look-around, no back reference. The whole text must match.
 */
export type LinearPattern = (text: string) => boolean

/** Where the pattern cannot be used, and why. */
export class PatternError extends Error {
  override readonly name = 'PatternError'
}

const stateLimit = 5000
const repeatLimit = 128

/** Throws PatternError. */
export function parseLinearPattern(pattern: string): LinearPattern {
  const parser = createParser(pattern)
  return matcherOf(parser.parse())
}

/** `*` stands for any text, `?` for one character; all else for itself. */
export function parseGlob(glob: string): LinearPattern {
  const nodes = Array.from(glob, (character): Node => {
    if (character === '*') return { kind: 'repeat', node: any, least: 0, most: Number.POSITIVE_INFINITY }
    return character === '?' ? any : { kind: 'one', is: (other) => other === character }
  })
  return matcherOf({ kind: 'all', nodes })
}

type Node =
  | { readonly kind: 'one'; readonly is: (character: string) => boolean }
  | { readonly kind: 'all'; readonly nodes: readonly Node[] }
  | { readonly kind: 'either'; readonly nodes: readonly Node[] }
  | { readonly kind: 'repeat'; readonly node: Node; readonly least: number; readonly most: number }

const any: Node = { kind: 'one', is: () => true }

function createParser(pattern: string) {
  const characters = [...pattern]
  let at = 0
  const next = () => characters[at]
  const fail = (what: string): never => {
    throw new PatternError(`${what} at ${at + 1}`)
  }
  const take = (character: string) => {
    if (next() !== character) return false
    at++
    return true
  }

  function either(): Node {
    const nodes = [all()]
    while (take('|')) nodes.push(all())
    return nodes.length === 1 ? nodes[0]! : { kind: 'either', nodes }
  }

  function all(): Node {
    const nodes: Node[] = []
    while (at < characters.length && next() !== '|' && next() !== ')') {
      // The whole text must match as it is; so these say nothing where they stand at the ends.
      if ((next() === '^' && at === 0) || (next() === '$' && at === characters.length - 1)) at++
      else nodes.push(repeated(atom()))
    }
    return { kind: 'all', nodes }
  }

  function atom(): Node {
    const character = characters[at++]!
    if (character === '(') return group()
    if (character === '[') return set()
    if (character === '.') return any
    if (character === '\\') return { kind: 'one', is: escaped() }
    if ('*+?{}^$)]'.includes(character)) {
      at--
      fail(`${character} is not expected`)
    }
    return { kind: 'one', is: (other) => other === character }
  }

  function group(): Node {
    if (take('?') && !take(':')) fail('only (...) and (?:...) are supported')
    const node = either()
    if (!take(')')) fail(') is missing')
    return node
  }

  function escaped(): (character: string) => boolean {
    const character = characters[at++] ?? fail('the pattern ends')
    const named = classes[character]
    if (named) return named
    if (/[A-Za-z0-9]/.test(character)) fail(`\\${character} is not supported`)
    return (other) => other === character
  }

  function set(): Node {
    const isInverted = take('^')
    const members: ((character: string) => boolean)[] = []
    do members.push(member())
    while (!take(']'))
    const isIn = (character: string) => members.some((is) => is(character))
    return { kind: 'one', is: (character) => isIn(character) !== isInverted }
  }

  function member(): (character: string) => boolean {
    const first = characters[at++] ?? fail('] is missing')
    if (first === ']') fail('[] is empty')
    if (first === '\\') return escaped()
    if (next() !== '-' || characters[at + 1] === ']') return (other) => other === first
    at++
    const last = characters[at++] ?? fail('] is missing')
    if (last < first || last === '\\') fail('the range is not one')
    return (other) => other >= first && other <= last
  }

  function repeated(node: Node): Node {
    const bounds = quantifier()
    if (!bounds) return node
    const [least, most] = bounds
    return { kind: 'repeat', node, least, most }
  }

  function quantifier(): readonly [number, number] | undefined {
    if (take('*')) return [0, Number.POSITIVE_INFINITY]
    if (take('+')) return [1, Number.POSITIVE_INFINITY]
    if (take('?')) return [0, 1]
    const [text, low, comma, high] = /^\{(\d{1,4})(,?)(\d{0,4})\}/.exec(characters.slice(at, at + 12).join('')) ?? []
    if (text === undefined) return undefined
    at += text.length
    const least = Number(low)
    const most = high ? Number(high) : comma ? Number.POSITIVE_INFINITY : least
    if (least > repeatLimit || (most > repeatLimit && most !== Number.POSITIVE_INFINITY) || most < least) {
      fail(`{} takes numbers up to ${repeatLimit}`)
    }
    return [least, most]
  }

  return {
    parse(): Node {
      const node = either()
      if (at < characters.length) fail(`${next()} is not expected`)
      return node
    }
  }
}

const classes: Readonly<Record<string, (character: string) => boolean>> = {
  d: (character) => /^[0-9]$/.test(character),
  D: (character) => !/^[0-9]$/.test(character),
  w: (character) => /^[A-Za-z0-9_]$/.test(character),
  W: (character) => !/^[A-Za-z0-9_]$/.test(character)
}

/** Without `is`: goes on to each of `next` without a character; with none of them the text has matched. */
interface State {
  readonly is?: (character: string) => boolean
  readonly next: State[]
}

function matcherOf(node: Node): LinearPattern {
  const end: State = { next: [] }
  const start = statesOf(node, end, { left: stateLimit })
  return (text) => {
    let states = reach([start])
    for (const character of text) {
      states = reach([...states].filter(({ is }) => is?.(character)).flatMap(({ next }) => next))
      if (states.size === 0) return false
    }
    return states.has(end)
  }
}

/** With all that is reached from these without a character. A set is walked to its end also while it grows. */
function reach(states: readonly State[]): ReadonlySet<State> {
  const reached = new Set(states)
  for (const { is, next } of reached) if (!is) for (const state of next) reached.add(state)
  return reached
}

function statesOf(node: Node, after: State, budget: { left: number }): State {
  if (--budget.left < 0) throw new PatternError('it is too large')
  switch (node.kind) {
    case 'one':
      return { is: node.is, next: [after] }
    case 'all':
      return node.nodes.reduceRight((then, each) => statesOf(each, then, budget), after)
    case 'either':
      return { next: node.nodes.map((each) => statesOf(each, after, budget)) }
    case 'repeat':
      return repeatedStates(node, after, budget)
  }
}

function repeatedStates(
  { node, least, most }: Extract<Node, { kind: 'repeat' }>,
  after: State,
  budget: { left: number }
): State {
  let then = after
  if (most === Number.POSITIVE_INFINITY) {
    const loop: State = { next: [after] }
    loop.next.push(statesOf(node, loop, budget))
    then = loop
  } else {
    for (let each = least; each < most; each++) then = { next: [after, statesOf(node, then, budget)] }
  }
  for (let each = 0; each < least; each++) then = statesOf(node, then, budget)
  return then
}
