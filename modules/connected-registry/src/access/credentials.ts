import { createHmac, randomBytes } from 'node:crypto'
import { RegistryError } from '../protocol/errors.ts'
import { verifyPassword } from './passwords.ts'
import type { Tokens } from './tokens.ts'

/** Proves names and passwords against the tokens of the settings. */
export interface Credentials {
  /** The hash that the password fits, or undefined. Throws RegistryError TOOMANYREQUESTS where too many are in line. */
  prove(name: string, password: string): Promise<string | undefined>
}

export interface CredentialsOptions {
  readonly tokens: Tokens
  /** Milliseconds since 1970. */
  readonly now?: () => number
  /** How many may be in line before others are refused. */
  readonly lineLimit?: number
}

const rememberedMs = 5 * 60_000
const rememberedLimit = 1024
// Each proof tries two passwords, as many as a token may have, so that the time it takes does not tell which names exist.
const passwordsPerToken = 2
const nobodysHash = `scrypt$15$8$1$${'A'.repeat(22)}$${'A'.repeat(43)}`

/**
 * A hash costs tens of milliseconds and megabytes on purpose, so they are computed one at a time. What was proved is
 * remembered for five minutes under a key of this process: Basic on each request is then as fast as an access token.
 */
export function createCredentials({ tokens, now = Date.now, lineLimit = 64 }: CredentialsOptions): Credentials {
  const inTurn = createLine(lineLimit)
  const remembered = new Map<string, number>()
  const key = randomBytes(32)

  async function prove(name: string, password: string): Promise<string | undefined> {
    return recall(name, password) ?? inTurn(async () => recall(name, password) ?? (await compute(name, password)))
  }

  function recall(name: string, password: string): string | undefined {
    if (remembered.size === 0) return undefined
    return tokens.hashes(name).find((hash) => (remembered.get(labelOf(name, password, hash)) ?? 0) > now())
  }

  async function compute(name: string, password: string): Promise<string | undefined> {
    const hashes = tokens.hashes(name).slice(0, passwordsPerToken)
    for (const hash of [...hashes, nobodysHash, nobodysHash].slice(0, passwordsPerToken)) {
      if (!(await verifyPassword(password, hash)) || !hashes.includes(hash)) continue
      remember(labelOf(name, password, hash))
      return hash
    }
    return undefined
  }

  function remember(label: string): void {
    const [oldest] = remembered.keys()
    if (oldest !== undefined && remembered.size >= rememberedLimit) remembered.delete(oldest)
    remembered.delete(label)
    remembered.set(label, now() + rememberedMs)
  }

  function labelOf(name: string, password: string, hash: string): string {
    return createHmac('sha256', key)
      .update(JSON.stringify([name, password, hash]))
      .digest('base64')
  }

  return { prove }
}

function createLine(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  let inLine = 0
  let last: Promise<unknown> = Promise.resolve()
  return async (work) => {
    if (inLine >= limit) throw new RegistryError('TOOMANYREQUESTS')
    inLine += 1
    const turn = last.then(work).finally(() => {
      inLine -= 1
    })
    // Whoever waits for `turn` is told of its failure; the next in line only waits for its end.
    last = turn.catch(() => undefined)
    return turn
  }
}
