/** Which HTTP proxy leads to which host: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, as curl reads them. */
export interface ProxySettings {
  readonly https?: URL | undefined
  readonly http?: URL | undefined
  /** Host names and addresses that are reached directly, those below them as well; `*`: all. */
  readonly exceptions: readonly string[]
}

/** Undefined: none is set. Throws TypeError, with no value in it, for what is no address of a proxy: it may hold a password. */
export function readProxies(environment: Readonly<Record<string, string | undefined>>): ProxySettings | undefined {
  const read = (name: string) => environment[name] || environment[name.toLowerCase()]
  const [https, http] = [proxyUrl('HTTPS_PROXY', read('HTTPS_PROXY')), proxyUrl('HTTP_PROXY', read('HTTP_PROXY'))]
  if (!https && !http) return undefined
  const exceptions = (read('NO_PROXY') ?? '').split(/[\s,]+/).filter((entry) => entry !== '')
  return { https, http, exceptions: exceptions.map((entry) => entry.toLowerCase().replace(/^\*?\./, '')) }
}

/** Undefined: it is reached directly. `host`: without brackets. */
export function proxyFor(
  settings: ProxySettings | undefined,
  to: { readonly protocol: string; readonly host: string; readonly port: number }
): URL | undefined {
  const proxy = to.protocol === 'https:' ? settings?.https : settings?.http
  return proxy && !settings?.exceptions.some((entry) => isExcepted(entry, to)) ? proxy : undefined
}

function isExcepted(entry: string, { host, port }: { readonly host: string; readonly port: number }): boolean {
  if (entry === '*') return true
  const name = host.toLowerCase().replace(/\.$/, '')
  const [, plain = entry, onPort] = /^(.*[^:]):(\d{1,5})$/.exec(entry) ?? []
  if (onPort !== undefined && Number(onPort) !== port) return plain === entry && name === entry
  const wanted = plain.replace(/^\[|\]$/g, '')
  return name === wanted || name.endsWith(`.${wanted}`)
}

function proxyUrl(name: string, text: string | undefined): URL | undefined {
  if (!text) return undefined
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`)
  if (url && (url.protocol === 'http:' || url.protocol === 'https:') && url.hostname !== '' && isReadable(url))
    return url
  throw new TypeError(`${name}: is no address of an HTTP proxy`)
}

/** Credentials stand in a URL with escapes, which may be broken. */
function isReadable({ username, password }: URL): boolean {
  try {
    decodeURIComponent(username + password)
    return true
  } catch {
    return false
  }
}
