/** How this registry reaches its parent. The password is in here: never log it whole. */
export interface ParentConnection {
  readonly registryName: string
  readonly syncToken: { readonly name: string; readonly password: string }
  /** `host[:port]`, in lower case: where the gateway is, and an Azure registry's data endpoint. */
  readonly gatewayEndpoint: string
  readonly protocol: 'http' | 'https'
  /** `host[:port]`, in lower case: where `/v2` and the token endpoint are. */
  readonly loginServer: string
  readonly loginServerUrl: URL
}

/** A connection string that cannot be used. Neither the message nor `problems` holds a password. */
export class ConnectionStringError extends Error {
  override readonly name = 'ConnectionStringError'
  readonly code = 'CONNECTION_STRING'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`the connection string cannot be used: ${problems.join('; ')}`)
    this.problems = problems
  }
}

const requiredKeys = [
  'ConnectedRegistryName',
  'SyncTokenName',
  'SyncTokenPassword',
  'ParentGatewayEndpoint',
  'ParentEndpointProtocol'
] as const
const keys = [...requiredKeys, 'ParentLoginServer'] as const
type Key = (typeof keys)[number]
type Values = Partial<Record<Key, string>>
type Environment = Readonly<Record<string, string | undefined>>

/**
 * `Key=value` parts with `;` between them, the keys of ACR's connected registry and `ParentLoginServer`. `$NAME` and `${NAME}`
 * in the two endpoints come from `env`: IoT Edge does not fill in `$upstream` there. Throws ConnectionStringError.
 */
export function parseConnectionString(text: string, env: Environment): ParentConnection {
  const problems: string[] = []
  const values = readParts(text, problems)
  for (const key of requiredKeys) if (!values[key]) problems.push(`${key} is missing`)
  const gatewayEndpoint = readEndpoint('ParentGatewayEndpoint', values, env, problems)
  const loginServer = readEndpoint('ParentLoginServer', values, env, problems) || loginServerOf(gatewayEndpoint)
  checkNames(values, problems)
  const protocol = checkProtocol(values.ParentEndpointProtocol, gatewayEndpoint, problems)
  if (problems.length > 0) throw new ConnectionStringError(problems)
  return {
    registryName: values.ConnectedRegistryName ?? '',
    syncToken: { name: values.SyncTokenName ?? '', password: values.SyncTokenPassword ?? '' },
    gatewayEndpoint,
    protocol,
    loginServer,
    loginServerUrl: new URL(`${protocol}://${loginServer}/`)
  }
}

// A password holds '=', so only the first one of a part divides it.
function readParts(text: string, problems: string[]): Values {
  const values: Values = {}
  for (const [index, part] of text.split(';').entries()) {
    // JavaScript's `trim` takes a byte order mark for white space.
    const trimmed = part.trim()
    const equals = trimmed.indexOf('=')
    if (trimmed === '') continue
    if (equals < 1) problems.push(`part ${index + 1} is not Key=value`)
    else readPart(trimmed.slice(0, equals).trim(), trimmed.slice(equals + 1).trim(), index, values, problems)
  }
  return values
}

function readPart(name: string, value: string, index: number, values: Values, problems: string[]): void {
  const key = keys.find((key) => key === name)
  if (name === 'ManagedIdentityClientId') problems.push('ManagedIdentityClientId is not supported: use a sync token')
  else if (!key) problems.push(`${nameable(name) ? name : `part ${index + 1}`} is not a known key`)
  else if (values[key] !== undefined) problems.push(`${key} is there twice`)
  else values[key] = value
}

// What stands where a key should be may be a piece of a password. A mistyped key is letters only.
function nameable(name: string): boolean {
  return /^[A-Za-z]{1,32}$/.test(name)
}

function readEndpoint(key: Key, values: Values, env: Environment, problems: string[]): string {
  const value = values[key]
  if (!value) return ''
  const unknown: string[] = []
  const endpoint = value.replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, bare?: string) => {
    const name = braced ?? bare ?? ''
    if (!env[name]) unknown.push(name)
    return env[name] ?? ''
  })
  if (unknown.length > 0) problems.push(`${key} names ${unknown.join(', ')}, which the environment does not set`)
  else if (!isEndpoint(endpoint)) problems.push(`${key} must be host[:port]`)
  return endpoint.toLowerCase()
}

function isEndpoint(text: string): boolean {
  const shape = /^(?:\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?)(?::\d{1,5})?$/i
  return shape.test(text) && URL.canParse(`http://${text}/`)
}

// Sources disagree on '-' and '_' in a name; a gateway action needs five characters. A ':' would end the name in Basic credentials.
function checkNames(values: Values, problems: string[]): void {
  if (values.ConnectedRegistryName && !/^[a-zA-Z0-9_-]{5,50}$/.test(values.ConnectedRegistryName)) {
    problems.push('ConnectedRegistryName must be 5 to 50 letters, digits, - or _')
  }
  if (values.SyncTokenName && !/^[!-9;-~]+$/.test(values.SyncTokenName)) {
    problems.push('SyncTokenName must be printable ASCII without spaces and colons')
  }
  if (/\p{Cc}/u.test(values.SyncTokenPassword ?? '')) problems.push('SyncTokenPassword holds a control character')
}

function checkProtocol(protocol: string | undefined, endpoint: string, problems: string[]): 'http' | 'https' {
  if (protocol && protocol !== 'http' && protocol !== 'https') {
    problems.push('ParentEndpointProtocol must be http or https')
  }
  if (protocol === 'http' && cloudSuffix.test(hostOf(endpoint))) {
    problems.push("Parent endpoint protocol must be 'https' when parent is a cloud registry.")
  }
  return protocol === 'http' ? 'http' : 'https'
}

const cloudSuffix = /\.azurecr\.(?:io|cn|us)$/
const blobSuffix = /\.blob\.core\.(?:windows\.net|chinacloudapi\.cn|usgovcloudapi\.net)$/

// An Azure registry's data endpoint: <registry>.<region>.data.<suffix>, in every cloud and on Azure Stack.
function loginServerOf(gatewayEndpoint: string): string {
  const [, registry, suffix] = dataEndpoint.exec(gatewayEndpoint) ?? []
  return registry && suffix ? `${registry}.${suffix}` : gatewayEndpoint
}

const dataEndpoint = /^([a-z0-9-]+)\.[a-z0-9-]+\.data\.(.+)$/

/**
 * Whether content may be fetched from where the parent redirects to: its own hosts, at any port, and, for an Azure registry, its
 * data endpoints and Azure's storage. Never from https to http.
 */
export function isRedirectHostAllowed(connection: ParentConnection, url: URL): boolean {
  if (url.protocol !== 'https:' && url.protocol !== `${connection.protocol}:`) return false
  if (url.username || url.password) return false
  const host = url.hostname
  const own = [connection.loginServer, connection.gatewayEndpoint].map(hostOf)
  if (own.includes(host)) return true
  return (
    isAzureRegistry(connection) && (blobSuffix.test(host) || loginServerOf(host) === hostOf(connection.loginServer))
  )
}

function isAzureRegistry({ loginServer, gatewayEndpoint }: ParentConnection): boolean {
  const derived = loginServer !== gatewayEndpoint && loginServerOf(gatewayEndpoint) === loginServer
  return derived || cloudSuffix.test(hostOf(loginServer))
}

/** As URL writes it, so that every spelling of an address is the same. */
function hostOf(endpoint: string): string {
  return URL.parse(`http://${endpoint}/`)?.hostname ?? ''
}
