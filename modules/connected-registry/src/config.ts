import { ConfigError } from '@connected-registry/edge-module/config-error.ts'
import { z } from 'zod'
import { type ProxySettings, readProxies } from './parent/proxies.ts'

/** Fixed at start, from the environment: names of ACR's connected registry, and a few of our own. */
export interface Config {
  readonly dataVolume: string
  readonly host: string
  readonly port: number
  /** The only `host[:port]` that requests may be addressed to; undefined: any. */
  readonly loginServer?: string
  /** A JSON file in the shape of the twin's desired properties, read again when it changes. */
  readonly settingsFile?: string
  /** Holds `ca.crt`, where a parent's certificate is signed by an authority of one's own. */
  readonly certificateVolume: string
  /** Whether this registry's own certificate is in the certificate volume, or the IoT Edge runtime's. */
  readonly certificateSource: 'volume' | 'workload'
  /** What clients have to show where the certificate volume holds `client-ca.crt`. */
  readonly clientCertificates: 'required' | 'optional'
  /** What leads to the parent; undefined: nothing does, it is reached directly. */
  readonly proxies?: ProxySettings | undefined
  /** The environment's own settings, in the shape of the twin's desired properties. */
  readonly settings: Readonly<Record<string, unknown>>
  /** For `$NAME` in the connection string. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Throws ConfigError with every problem at once. A variable that is set but empty counts as not set. */
export function readConfig(environment: Readonly<Record<string, string | undefined>> = process.env): Config {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  const parsed = schema.safeParse(given)
  if (!parsed.success) {
    throw new ConfigError(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`))
  }
  const values = parsed.data
  return {
    dataVolume: values.ACR_REGISTRY_DATA_VOLUME,
    host: values.ACR_REGISTRY_HOST,
    port: values.ACR_REGISTRY_PORT,
    loginServer: values.ACR_REGISTRY_LOGIN_SERVER,
    settingsFile: values.ACR_REGISTRY_SETTINGS,
    certificateVolume: values.ACR_REGISTRY_CERTIFICATE_VOLUME,
    certificateSource: values.ACR_REGISTRY_CERTIFICATE_SOURCE,
    clientCertificates: values.ACR_REGISTRY_CLIENT_CERTIFICATES,
    proxies: proxiesOf(environment),
    settings: settingsOf(values),
    environment
  }
}

const schema = z.object({
  ACR_REGISTRY_DATA_VOLUME: z.string().default('/var/acr/data'),
  ACR_REGISTRY_CERTIFICATE_VOLUME: z.string().default('/var/acr/certs'),
  ACR_REGISTRY_CERTIFICATE_SOURCE: z.enum(['volume', 'workload'], 'must be volume or workload').default('volume'),
  ACR_REGISTRY_CLIENT_CERTIFICATES: z
    .enum(['required', 'optional'], 'must be required or optional')
    .default('required'),
  ACR_REGISTRY_HOST: z.string().default('::'),
  ACR_REGISTRY_PORT: z
    .string()
    .regex(/^\d{1,5}$/, 'is not a port')
    .transform(Number)
    .refine((port) => port <= 65_535, 'is not a port')
    .default(8080),
  ACR_REGISTRY_LOGIN_SERVER: z
    .string()
    .regex(/^[^\s/]+$/, 'must be host[:port]')
    .optional(),
  ACR_REGISTRY_SETTINGS: z.string().optional(),
  ACR_REGISTRY_CONNECTION_STRING: z.string().optional(),
  ACR_REGISTRY_MODE: z.string().optional(),
  ACR_REGISTRY_REPOSITORIES: z.string().optional()
})

function proxiesOf(environment: Readonly<Record<string, string | undefined>>): ProxySettings | undefined {
  try {
    return readProxies(environment)
  } catch (error) {
    if (error instanceof TypeError) throw new ConfigError([error.message])
    throw error
  }
}

function settingsOf(values: z.output<typeof schema>): Record<string, unknown> {
  const repositories = values.ACR_REGISTRY_REPOSITORIES?.split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  const settings = {
    connectionString: values.ACR_REGISTRY_CONNECTION_STRING,
    mode: values.ACR_REGISTRY_MODE,
    repositories
  }
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))
}
