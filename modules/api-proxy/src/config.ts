import { createSecureContext } from 'node:tls'
import { ConfigError } from '@connected-registry/edge-module/config-error.ts'
import { type EdgeEnvironment, EnvironmentError, readEdgeEnvironment } from '@connected-registry/edge-module/env.ts'
import { identityOf } from '@connected-registry/edge-module/identity.ts'
import type { WorkloadEnvironment } from '@connected-registry/edge-module/workload.ts'
import { z } from 'zod'
import { type Address, type Places, readAddress } from './routes.ts'
import type { TlsVersions } from './server.ts'

/** Fixed at start, from the environment: names of Microsoft's API proxy, and a few of our own (`API_PROXY_`). */
export interface Config {
  /** Undefined: every address, of both families where the machine has both. */
  readonly host: string | undefined
  readonly port: number
  /** What the door leads to. */
  readonly places: Places
  readonly certificate: CertificateSource
  readonly tlsVersions: TlsVersions
  /** OpenSSL's cipher list; undefined: Node's own. */
  readonly ciphers: string | undefined
  /** The device as its clients call it: what edgeHub's certificate is made out to. */
  readonly gatewayHost: string
  /** Undefined: not started by IoT Edge. */
  readonly edge: EdgeEnvironment | undefined
}

export type CertificateSource =
  | { readonly kind: 'workload'; readonly environment: WorkloadEnvironment; readonly commonName: string }
  | { readonly kind: 'files'; readonly directory: string }
  | { readonly kind: 'off' }

type Variables = Readonly<Record<string, string | undefined>>
type Read<T> = { readonly value: T } | { readonly problems: readonly string[] }

/** Throws ConfigError with every problem at once. A variable that is set but empty counts as not set. */
export function readConfig(environment: Variables = process.env): Config {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  const variables = readVariables(given)
  const edge = readEdge(given)
  const certificate = 'value' in edge ? readCertificateSource(given, edge.value) : { problems: [] }
  if ('value' in variables && 'value' in edge && 'value' in certificate) {
    const { hubAddress, parentPort, ...config } = variables.value
    const { gatewayHost = 'edgehub' } = edge.value ? identityOf(edge.value) : {}
    const parent = readParent(given, parentPort ?? (config.port || 8000))
    const edgeHub = edge.value && (hubAddress ?? defaultHub(edge.value, gatewayHost))
    const places = { ...config.places, parent, edgeHub }
    return { ...config, places, gatewayHost, edge: edge.value, certificate: certificate.value }
  }
  throw new ConfigError([variables, edge, certificate].flatMap((read) => ('problems' in read ? read.problems : [])))
}

// The original's templates say 0 where there is none.
const address = z
  .string()
  .transform((text, context) => (text === '0' ? undefined : (readAddress(text) ?? refuse(context, 'is not host:port'))))
  .optional()

const schema = z.object({
  NGINX_DEFAULT_PORT: z.string().default('8000').transform(Number).refine(isPort, 'is not a port'),
  API_PROXY_HOST: z.string().optional(),
  CONNECTED_ACR_ROUTE_ADDRESS: address,
  DOCKER_REQUEST_ROUTE_ADDRESS: address,
  BLOB_UPLOAD_ROUTE_ADDRESS: address,
  NGINX_DEFAULT_TLS: z
    .string()
    .default('TLSv1.2 TLSv1.3')
    .transform(
      (text, context) => readVersions(text) ?? refuse(context, 'lists other versions than TLSv1.2 and TLSv1.3')
    ),
  NGINX_DEFAULT_CIPHERS: z
    .string()
    .transform((text, context) => readCiphers(text) ?? refuse(context, 'names no cipher that is known here'))
    .optional(),
  API_PROXY_EDGE_HUB_ADDRESS: address,
  API_PROXY_PARENT_PORT: z.string().transform(Number).refine(isPort, 'is not a port').optional(),
  IOTEDGE_PARENTHOSTNAME: z
    .string()
    .refine((text) => readAddress(text) !== undefined, 'is not a host')
    .optional(),
  API_PROXY_TLS: z.literal('off', 'must be off, or not set').optional()
})

type FromVariables = Omit<Config, 'edge' | 'certificate' | 'gatewayHost'> & {
  readonly hubAddress: Address | undefined
  readonly parentPort: number | undefined
}

function readVariables(given: Variables): Read<FromVariables> {
  const { data, error } = schema.safeParse(given)
  if (error) return { problems: error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) }
  return {
    value: {
      host: data.API_PROXY_HOST,
      port: data.NGINX_DEFAULT_PORT,
      places: {
        registry: data.CONNECTED_ACR_ROUTE_ADDRESS,
        dockerRegistry: data.DOCKER_REQUEST_ROUTE_ADDRESS,
        storage: data.BLOB_UPLOAD_ROUTE_ADDRESS
      },
      tlsVersions: data.NGINX_DEFAULT_TLS,
      ciphers: data.NGINX_DEFAULT_CIPHERS,
      hubAddress: data.API_PROXY_EDGE_HUB_ADDRESS,
      parentPort: data.API_PROXY_PARENT_PORT
    }
  }
}

function readEdge(given: Variables): Read<EdgeEnvironment | undefined> {
  try {
    return { value: readEdgeEnvironment(given) }
  } catch (error) {
    if (error instanceof EnvironmentError) return { problems: [error.message] }
    throw error
  }
}

/** The runtime's own certificates first, for its clients trust them; never plain HTTP unless it was asked for. */
function readCertificateSource(given: Variables, edge: EdgeEnvironment | undefined): Read<CertificateSource> {
  const { API_PROXY_CERTIFICATE_VOLUME: directory, API_PROXY_TLS: tls } = given
  if (edge?.kind === 'runtime') {
    const { gatewayHost: commonName } = identityOf(edge)
    if (commonName) return { value: { kind: 'workload', environment: edge, commonName } }
    return { problems: ['IOTEDGE_GATEWAYHOSTNAME: is not set, and the certificate is made out to it'] }
  }
  if (directory) return { value: { kind: 'files', directory } }
  if (tls !== undefined) return { value: { kind: 'off' } }
  const ways = 'run in IoT Edge, set API_PROXY_CERTIFICATE_VOLUME, or set API_PROXY_TLS=off for plain HTTP'
  return { problems: [`no source of a TLS certificate: ${ways}`] }
}

/** The door of the device above: of the same port as this one. */
function readParent({ IOTEDGE_PARENTHOSTNAME: name }: Variables, port: number): Address | undefined {
  const named = name === undefined ? undefined : readAddress(name)
  return named && { host: named.host, port }
}

/** In IoT Edge's own network edgeHub has that name; a developer's machine finds it where its modules do. */
function defaultHub({ kind }: EdgeEnvironment, gatewayHost: string): Address {
  return { host: kind === 'runtime' ? 'edgehub' : gatewayHost, port: 443 }
}

function refuse(context: z.RefinementCtx, message: string): never {
  context.addIssue({ code: 'custom', message })
  return z.NEVER
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 0 && port <= 65_535
}

// nginx's list is for TLS 1.2 alone; Node would take a list without them for a wish to have no TLS 1.3.
const tls13Ciphers = 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256'

/** nginx's `ssl_ciphers`. */
function readCiphers(text: string): string | undefined {
  try {
    createSecureContext({ ciphers: text })
  } catch {
    return undefined // Said by the name of the variable.
  }
  return /(?:^|:)TLS_/.test(text) ? text : `${tls13Ciphers}:${text}`
}

/** nginx's `ssl_protocols`: a list by spaces. */
function readVersions(text: string): TlsVersions | undefined {
  const versions = text
    .trim()
    .split(/[\s,]+/)
    .sort()
  const known = versions.filter((version) => version === 'TLSv1.2' || version === 'TLSv1.3')
  const [minVersion] = known
  const maxVersion = known.at(-1)
  return minVersion && maxVersion && known.length === versions.length ? { minVersion, maxVersion } : undefined
}
