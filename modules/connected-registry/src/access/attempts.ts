import { RegistryError } from '../protocol/errors.ts'

/**
 * Slows down whoever guesses passwords: by name, by address and in total. Each failure takes one attempt out of all these
 * allowances, and time gives them back; who has none left is refused before anything is computed.
 */
export interface Attempts {
  /** Throws RegistryError TOOMANYREQUESTS, with the seconds to wait. What it returns gives the attempt back: it was none. */
  take(name: string, address: string): () => void
}

export interface AttemptsOptions {
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly limits?: AttemptLimits
}

export interface AttemptLimits {
  /** From all addresses. */
  readonly name: Allowance
  /** Of a name from one address: less, so that nobody alone shuts out the others who have that name. */
  readonly nameAtAddress?: Allowance
  readonly address: Allowance
  readonly total: Allowance
}

export interface Allowance {
  /** Failures at once. */
  readonly burst: number
  /** Until one of them is given back. */
  readonly everyMs: number
}

// All clients behind the API proxy share one address, and the one that guesses must not shut the others out for long.
const defaultLimits: AttemptLimits = {
  name: { burst: 20, everyMs: 1500 },
  nameAtAddress: { burst: 10, everyMs: 3000 },
  address: { burst: 100, everyMs: 1000 },
  total: { burst: 200, everyMs: 250 }
}
const keptLimit = 4096

export function createAttempts({ now = Date.now, limits = defaultLimits }: AttemptsOptions = {}): Attempts {
  const names = createAllowances(limits.name, now)
  const pairs = createAllowances(limits.nameAtAddress ?? limits.name, now)
  const addresses = createAllowances(limits.address, now)
  const total = createAllowances(limits.total, now)

  return {
    take(name, address) {
      // A name holds no space.
      const asked = [pairs.of(`${name} ${address}`), names.of(name), addresses.of(address), total.of('')]
      const waitMs = Math.max(...asked.map((one) => one.waitMs()))
      if (waitMs > 0) throw tooMany(waitMs)
      for (const one of asked) one.take()
      return () => {
        for (const one of asked) one.giveBack()
      }
    }
  }
}

function tooMany(waitMs: number): RegistryError {
  const retryAfterSeconds = Math.ceil(waitMs / 1000)
  return new RegistryError('TOOMANYREQUESTS', { retryAfterSeconds }, 'too many failed attempts to log in')
}

/** Each kept as the moment at which it will be full again (the generic cell rate algorithm): one number, and no timer. */
function createAllowances({ burst, everyMs }: Allowance, now: () => number) {
  const fullAt = new Map<string, number>()
  const wholeMs = burst * everyMs

  // A clock that was set back must not shut anybody out for longer than a whole allowance takes.
  const owedMs = (key: string) => Math.min(Math.max((fullAt.get(key) ?? 0) - now(), 0), wholeMs)

  function owe(key: string, ms: number): void {
    fullAt.delete(key)
    if (ms <= 0) return
    makeRoom()
    fullAt.set(key, now() + ms)
  }

  /** Whoever failed the longest ago is forgotten first. */
  function makeRoom(): void {
    const [oldest] = fullAt.keys()
    if (oldest !== undefined && fullAt.size >= keptLimit) fullAt.delete(oldest)
  }

  return {
    of: (key: string) => ({
      waitMs: () => Math.max(owedMs(key) + everyMs - wholeMs, 0),
      take: () => owe(key, owedMs(key) + everyMs),
      giveBack: () => owe(key, owedMs(key) - everyMs)
    })
  }
}
