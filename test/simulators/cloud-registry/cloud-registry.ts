import { createAccess } from './access.ts'
import { blobHandlers } from './blobs.ts'
import { createTicks, type Now } from './clock.ts'
import { type Contents, createContents } from './contents.ts'
import { createFaults, type Faults } from './faults.ts'
import { createLinks } from './links.ts'
import { type Certificates, createListener } from './listener.ts'
import { listingHandlers } from './listings.ts'
import { manifestHandlers } from './manifests.ts'
import { metadataHandlers } from './metadata.ts'
import { createRequestLog, type RequestLog } from './request-log.ts'
import { createRouter, routeTable } from './routes.ts'
import { type AccessLog, createServing } from './serving.ts'
import { type CloudToken, createTokens, type Tokens } from './tokens.ts'
import { uploadHandlers } from './uploads.ts'

/** An Azure Container Registry small enough to read: login server, dedicated data endpoint, and faults on demand. */
export interface CloudRegistry extends RequestLog {
  /** `host:port`, known from the first start on, as is `dataEndpoint`. */
  readonly loginServer: string
  readonly dataEndpoint: string
  /** Scheme and login server. */
  readonly url: string
  readonly contents: Contents
  readonly tokens: Pick<Tokens, 'set' | 'remove'>
  readonly faults: Faults
  /** Listens; after a stop on the same ports again, with everything it held. */
  start(): Promise<void>
  /** Refuses connections and ends those that are open. */
  stop(): Promise<void>
  /** Loses what it holds, as a registry does that was deleted and made anew. Tokens, faults and the log stay. */
  reset(): void
}

export interface CloudRegistryOptions {
  readonly host?: string
  /** 0, the default, for any; so for `dataPort`. */
  readonly loginPort?: number
  /** Of the data endpoint; left out: `host`. */
  readonly dataHost?: string
  readonly dataPort?: number
  /** https where given. */
  readonly certificates?: Certificates
  readonly tokens?: readonly CloudToken[]
  /** False: a plain OCI registry, without `/acr/v1`, that untags by `DELETE manifests/<tag>`. */
  readonly acr?: boolean
  /** Whether blobs come from the data endpoint by signed links (the default), or from the login server. */
  readonly redirectBlobs?: boolean
  /** The token service is at the address that the client asked, for networks that know the registry by several. */
  readonly isRealmAsked?: boolean
  readonly linkLifeSeconds?: number
  readonly accessTokenLifeSeconds?: number
  /** Items of a page where the client asks for no number. */
  readonly pageSize?: number
  /** ACR's lists pass over `orderby`. */
  readonly ignoresOrder?: boolean
  readonly now?: Now
  readonly log?: AccessLog
}

export function createCloudRegistry(options: CloudRegistryOptions = {}): CloudRegistry {
  const { host = '127.0.0.1', certificates, now = Date.now, log } = options
  const contents = createContents(createTicks(now))
  const requests = createRequestLog()
  const faults = createFaults()
  const addresses: Addresses = {
    loginServer: () => login.address,
    loginUrl: () => `${certificates ? 'https' : 'http'}://${login.address}`,
    dataUrl: () => `${certificates ? 'https' : 'http'}://${data.address}`
  }
  const { tokens, links, uploads, router } = createServices(options, contents, addresses)
  const serving = createServing({ router, links, faults, requests, log })
  const login = createListener({ host, port: options.loginPort, certificates, onRequest: serving('login') })
  const data = createListener({
    host: options.dataHost ?? host,
    port: options.dataPort,
    certificates,
    onRequest: serving('data')
  })

  return {
    get loginServer() {
      return login.address
    },
    get dataEndpoint() {
      return data.address
    },
    get url() {
      return addresses.loginUrl()
    },
    contents,
    tokens,
    faults,
    requests: requests.requests,
    clearRequests: requests.clearRequests,
    nextRequest: requests.nextRequest,
    async start() {
      await Promise.all([login.start(), data.start()])
    },
    async stop() {
      await Promise.all([login.stop(), data.stop()])
    },
    reset() {
      contents.reset()
      uploads.reset()
    }
  }
}

/** Known only when the ports are. */
interface Addresses {
  readonly loginServer: () => string
  readonly loginUrl: () => string
  readonly dataUrl: () => string
}

function createServices(options: CloudRegistryOptions, contents: Contents, addresses: Addresses) {
  const { acr = true, pageSize = 100, now = Date.now, redirectBlobs = true } = options
  const { loginServer, loginUrl, dataUrl } = addresses
  const { accessTokenLifeSeconds = 4500, linkLifeSeconds = 20 * 60 } = options
  const tokens = createTokens({
    tokens: options.tokens ?? [],
    audience: loginServer,
    lifeSeconds: accessTokenLifeSeconds,
    now
  })
  const url = options.isRealmAsked ? (asked?: string) => `http://${asked ?? loginServer()}` : loginUrl
  const access = createAccess({ tokens, url, loginServer, acr })
  const links = createLinks({ url: dataUrl, lifeSeconds: linkLifeSeconds, now, content: contents.content })
  const uploads = uploadHandlers({
    contents,
    mayRead: (call, name) => access.allows(call, { type: 'repository', name, actions: ['pull'] })
  })
  const rules = routeTable({
    manifests: manifestHandlers({ contents, acr }),
    blobs: blobHandlers({ contents, links, redirect: redirectBlobs }),
    uploads,
    listings: listingHandlers({ contents, pageSize }),
    metadata: metadataHandlers({ contents, loginServer, pageSize, ignoresOrder: options.ignoresOrder })
  })
  return { tokens, links, uploads, router: createRouter(rules, access, acr) }
}
