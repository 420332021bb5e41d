import type { IncomingHttpHeaders } from 'node:http'

/** What a route is chosen by. `path` is the request target as it came: with its query, not decoded. */
export interface RouteQuestion {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
}

/** Where a request goes. `none`: this door does not lead there. */
export type Target = { readonly kind: 'registry' } | { readonly kind: 'none' }

interface Route {
  readonly prefix: string
  readonly target: Target
}

const none: Target = { kind: 'none' }
const registry: Target = { kind: 'registry' }

// A prefix is whole segments (`/v2x` is not `/v2`), and only the first ones count: `/v2/digital-twins/api/...` is a
// repository. The registry's token service and gateway are all under `/acr`.
const routes: readonly Route[] = [
  { prefix: '/v2', target: registry },
  { prefix: '/acr', target: registry }
]

// RFC 3986, 3.3: segments of pchar. Absolute-form targets, `//`, backslashes and fragments do not match.
const plainPath = /^(?:\/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)+\/?$/
// What another program could read as a path of its own: encoded `.`, `/`, `\`, `%` and control characters.
const ambiguousEscape = /%(?:2[eEfF5]|5[cC]|[01][0-9A-Fa-f]|7[fF])/
const dotSegment = /\/\.\.?(?:\/|$)/

/**
 * Where a request goes, by its path alone for now. A path that means different things to different readers (dot
 * segments, empty segments, encoded separators) goes nowhere: no client of a registry has a use for one.
 */
export function route({ path }: RouteQuestion): Target {
  const [plain = ''] = path.split('?', 1)
  if (!plainPath.test(plain) || ambiguousEscape.test(plain) || dotSegment.test(plain)) return none
  return routes.find(({ prefix }) => plain === prefix || plain.startsWith(`${prefix}/`))?.target ?? none
}
