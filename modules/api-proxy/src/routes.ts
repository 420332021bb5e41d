import type { IncomingHttpHeaders } from 'node:http'

/** What a route is chosen by. `path` is the request target as it came: with its query, not decoded. */
export interface RouteQuestion {
  readonly path: string
  readonly headers: IncomingHttpHeaders
}

export interface Address {
  readonly host: string
  readonly port: number
}

/** Where requests are passed on to. `parent`: the API proxy of the device above. `module`: what a route of the twin names. */
export interface Upstream {
  readonly kind: 'registry' | 'parent' | 'storage' | 'edgeHub' | 'module'
  readonly protocol: 'http' | 'https'
  readonly address: Address
  /** Whether a client may go on in another protocol there: WebSocket. */
  readonly upgrades?: boolean
}

/** Where a request goes. `none`: this door does not lead there. */
export type Target = Upstream | { readonly kind: 'none' }

export interface Route {
  /** Whole segments from the beginning of the path: `/v2` is for `/v2/app`, not for `/v2x`. */
  readonly prefix: string
  readonly target: Upstream
}

export interface RouteTable {
  /** For every request with `x-ms-version`, whatever its path: the protocol of Azure Blob Storage. */
  readonly storage: Upstream | undefined
  /** The longest prefix first. */
  readonly routes: readonly Route[]
}

/** What there is to lead to, on this device and above it. */
export interface Places {
  readonly registry?: Address | undefined
  /** Another registry that has `/v2` in place of the connected one. */
  readonly dockerRegistry?: Address | undefined
  readonly storage?: Address | undefined
  readonly parent?: Address | undefined
  readonly edgeHub?: Address | undefined
}

/** `host:port`, an IPv6 address in brackets. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** `host`, `host:port` or `[IPv6]:port`; without a port it is the protocol's own, as for nginx. */
export function readAddress(text: string, defaultPort = 80): Address | undefined {
  const [, bracketed, name, digits] = /^(?:\[([\da-f:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/i.exec(text) ?? []
  const host = bracketed ?? name
  const port = Number(digits ?? defaultPort)
  return host !== undefined && port > 0 && port <= 65_535 ? { host, port } : undefined
}

/** As a `Host` header names it: without the port that goes without saying. */
export function hostOf({ protocol, address }: Upstream): string {
  return formatAddress(address).replace(protocol === 'https' ? /:443$/ : /:80$/, '')
}

const none: Target = { kind: 'none' }

// IoT SDKs ask for `$iothub`; the original takes any character in its place.
const webSocketPrefixes = ['/$iothub/websocket', '/%24iothub/websocket', '/.iothub/websocket']

/**
 * The routes of a deployment: those of the original API proxy, then `added` in place of those with the same prefix.
 * Without a registry on the device its paths lead to the parent, which leads them on or has one.
 */
export function routesOf(places: Places, added: readonly Route[] = []): RouteTable {
  const parent = upstream('parent', places.parent, 'https')
  const registry = upstream('registry', places.registry)
  const dockerRegistry = upstream('registry', places.dockerRegistry)
  const edgeHub = upstream('edgeHub', places.edgeHub, 'https')
  const byPrefix = new Map<string, Upstream>()
  const lead = (prefix: string, target: Upstream | undefined) => target && byPrefix.set(prefix, target)

  lead('/v2', dockerRegistry ?? registry ?? parent)
  lead('/acr', registry ?? (dockerRegistry ? undefined : parent))
  lead('/devices', edgeHub)
  lead('/twins', edgeHub)
  for (const prefix of webSocketPrefixes) lead(prefix, edgeHub && { ...edgeHub, upgrades: true })
  for (const { prefix, target } of added) lead(prefix, target)
  return {
    storage: upstream('storage', places.storage) ?? parent,
    routes: Array.from(byPrefix, ([prefix, target]) => ({ prefix, target })).sort(longestFirst)
  }
}

function upstream(kind: Upstream['kind'], address?: Address, protocol: Upstream['protocol'] = 'http') {
  return address && ({ kind, address, protocol } satisfies Upstream)
}

function longestFirst(a: Route, b: Route): number {
  return b.prefix.length - a.prefix.length
}

/**
 * Where a request goes. Only the first segments count, so that `/v2/digital-twins/api/...` is a repository. A path that
 * means different things to different readers goes nowhere: no client of a registry has a use for one.
 */
export function route({ storage, routes }: RouteTable, { path, headers }: RouteQuestion): Target {
  const [plain = ''] = path.split('?', 1)
  if (isStorageRequest(headers)) return storage && isStoragePath(plain) ? storage : none
  if (!isPlainPath(plain)) return none
  return routes.find(({ prefix }) => plain === prefix || plain.startsWith(`${prefix}/`))?.target ?? none
}

// nginx takes an empty text and "0" for false.
function isStorageRequest(headers: IncomingHttpHeaders): boolean {
  const version = headers['x-ms-version']
  return version !== undefined && version !== '' && version !== '0'
}

// RFC 3986, 3.3: segments of pchar. Absolute-form targets, `//`, backslashes and fragments do not match.
const plainPath = /^(?:\/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)+\/?$/
// What another program could read as a path of its own: encoded `.`, `/`, `\`, `%` and control characters.
const ambiguousEscape = /%(?:2[eEfF5]|5[cC]|[01][0-9A-Fa-f]|7[fF])/
const dotSegment = /\/\.\.?(?:\/|$)/

/** No dot segments, no empty ones, no encoded separators. */
export function isPlainPath(path: string): boolean {
  return plainPath.test(path) && !ambiguousEscape.test(path) && !dotSegment.test(path)
}

// Names of blobs may hold anything, `/` and `%` too, and one service alone reads them. Nothing may climb out of a container.
const storagePath = /^\/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*$/
const climbing = /(?:\/|%2f|%5c)(?:\.|%2e){1,2}(?:\/|%2f|%5c|$)/i
const controlEscape = /%(?:[01][0-9A-Fa-f]|7[fF])/

function isStoragePath(path: string): boolean {
  return storagePath.test(path) && !climbing.test(path) && !controlEscape.test(path)
}
