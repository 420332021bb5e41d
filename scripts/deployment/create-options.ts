/** The agent joins `createOptions`, `createOptions01` ... `createOptions07`; a twin's value holds 512 characters at most. */
const pieceLength = 512
const mostPieces = 8

/**
 * What stands in a module's `settings` in place of an object: minified JSON in pieces of 512 characters.
 * Throws an Error where it is longer than the 4 KiB that the agent reads.
 */
export function createOptionsPieces(createOptions: unknown): Readonly<Record<string, string>> {
  const text = typeof createOptions === 'string' ? createOptions : JSON.stringify(createOptions)
  const count = Math.max(1, Math.ceil(text.length / pieceLength))
  if (count > mostPieces) {
    throw new Error(`createOptions take ${text.length} characters, the agent reads ${pieceLength * mostPieces}`)
  }
  const pieces = Array.from({ length: count }, (_, index) => [
    index === 0 ? 'createOptions' : `createOptions0${index}`,
    text.slice(index * pieceLength, (index + 1) * pieceLength)
  ])
  return Object.fromEntries(pieces)
}
