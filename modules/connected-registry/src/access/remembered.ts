import { hash, randomBytes } from 'node:crypto'

/** What was found out about a secret, under a label that does not tell it. */
export interface Remembered<Fact> {
  /** Undefined: never noted, its time is over, or it had to make room. */
  recall(secret: string): Fact | undefined
  /** `until`: milliseconds since 1970. */
  note(secret: string, fact: Fact, until: number): void
}

export interface RememberedOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly limit: number
}

/**
 * Labels are hashes keyed for this process: nobody who reads its memory finds a password in them or can try some. One pass of
 * SHA-256 will do, since labels are never shown: there is nothing to extend.
 */
export function createRemembered<Fact>({ now, limit }: RememberedOptions): Remembered<Fact> {
  const key = randomBytes(32).toString('base64')
  const noted = new Map<string, { readonly fact: Fact; readonly until: number }>()
  const labelOf = (secret: string) => hash('sha256', key + secret, 'base64')

  return {
    recall(secret) {
      if (noted.size === 0) return undefined
      const label = labelOf(secret)
      const found = noted.get(label)
      if (!found) return undefined
      if (now() < found.until) return found.fact
      noted.delete(label)
      return undefined
    },
    note(secret, fact, until) {
      const label = labelOf(secret)
      noted.delete(label)
      const [oldest] = noted.keys()
      if (oldest !== undefined && noted.size >= limit) noted.delete(oldest)
      noted.set(label, { fact, until })
    }
  }
}
