import type { Forward } from './forward.ts'
import type { Upstream } from './routes.ts'

/** A way to each place, made when it is first wanted, with connections of its own. */
export interface Forwards {
  to(upstream: Upstream): Forward
  close(): void
}

export function createForwards(create: (upstream: Upstream) => Forward): Forwards {
  const made = new Map<string, Forward>()
  return {
    to(upstream) {
      const key = keyOf(upstream)
      const forward = made.get(key) ?? create(upstream)
      made.set(key, forward)
      return forward
    },
    close() {
      for (const forward of made.values()) forward.close()
    }
  }
}

function keyOf({ kind, protocol, address }: Upstream): string {
  return `${kind} ${protocol}://${address.host} ${address.port}`
}
