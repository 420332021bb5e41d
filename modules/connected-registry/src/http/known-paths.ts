import type { Context, Middleware } from 'koa'

/** Who answers a request for one path, as the router has found. */
export type Serve = (ctx: Context) => Promise<void>

/**
 * Paths that were asked for lately: the router tries each pattern on each request, which costs as much as all the rest, and
 * finds the same each time. Nothing else is remembered: whoever serves a path decides anew who may.
 */
export interface KnownPaths {
  /** In front of the router: a GET or HEAD of a known path goes past it. */
  readonly recall: Middleware
  /** What the router found for a GET. It depends on the path alone: no two routes for one path and method, none by host. */
  note(ctx: Context, serve: Serve): void
}

export function createKnownPaths({ limit = 1000, lengthLimit = 512 } = {}): KnownPaths {
  const known = new Map<string, Serve>()
  return {
    recall(ctx, next) {
      const { method, url = '' } = ctx.req
      const serve = method === 'GET' || method === 'HEAD' ? known.get(url) : undefined
      return serve ? serve(ctx) : next()
    },
    note({ path, req: { url } }, serve) {
      // With a query there are too many.
      if (path !== url || path.length > lengthLimit) return
      if (known.size >= limit) known.clear()
      known.set(path, serve)
    }
  }
}
