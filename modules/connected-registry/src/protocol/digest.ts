import { createHash, type Hash } from 'node:crypto'

/** A content digest that has been checked: `sha256:<64 hex>` or `sha512:<128 hex>`, lower case (image-spec, "Digests"). */
export type Digest = `${Algorithm}:${string}`
export type Algorithm = 'sha256' | 'sha512'

const hexLength: Record<Algorithm, number> = { sha256: 64, sha512: 128 }

/** The digest in `text`, or undefined where it is none that we support. Never throws. */
export function parseDigest(text: string): Digest | undefined {
  const colon = text.indexOf(':')
  const algorithm = text.slice(0, colon)
  const hex = text.slice(colon + 1)
  if (algorithm !== 'sha256' && algorithm !== 'sha512') return undefined
  return hex.length === hexLength[algorithm] && /^[a-f0-9]+$/.test(hex) ? `${algorithm}:${hex}` : undefined
}

export function algorithmOf(digest: Digest): Algorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256'
}

/** The hex part, safe as a file name. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1)
}

export function newHash(algorithm: Algorithm): Hash {
  return createHash(algorithm)
}

export function digestOf(bytes: Uint8Array, algorithm: Algorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}
