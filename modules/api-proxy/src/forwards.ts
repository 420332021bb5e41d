import type { Forward } from './forward.ts'
import type { RouteTable, Upstream } from './routes.ts'

/** A way to each place, made when it is first wanted, with connections of its own. */
export interface Forwards {
  to(upstream: Upstream): Forward
  /** What no route leads to any more keeps no connections, and ends with what is under way. */
  keepOnly(table: RouteTable): void
  close(): void
}

export function createForwards(create: (upstream: Upstream) => Forward): Forwards {
  const made = new Map<string, Forward>()
  /** Those of the routes in force: they are asked for with each request. */
  let known = new WeakMap<Upstream, Forward>()

  function find(upstream: Upstream): Forward {
    const key = keyOf(upstream)
    const forward = made.get(key) ?? create(upstream)
    made.set(key, forward)
    known.set(upstream, forward)
    return forward
  }

  return {
    to: (upstream) => known.get(upstream) ?? find(upstream),
    keepOnly({ routes, storage }) {
      known = new WeakMap()
      const wanted = new Set([...routes.map(({ target }) => target), ...(storage ? [storage] : [])].map(keyOf))
      for (const [key, forward] of made) {
        if (wanted.has(key)) continue
        forward.retire()
        made.delete(key)
      }
    },
    close() {
      for (const forward of made.values()) forward.close()
    }
  }
}

function keyOf({ kind, protocol, address }: Upstream): string {
  return `${kind} ${protocol}://${address.host} ${address.port}`
}
