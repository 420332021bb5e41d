import { isRepositoryName } from '../../../modules/connected-registry/src/protocol/reference.ts'
import type { Access } from './access.ts'
import type { blobHandlers } from './blobs.ts'
import { type Call, empty, type Handler, Refusal, type Route, unsupported } from './exchange.ts'
import type { listingHandlers } from './listings.ts'
import type { manifestHandlers } from './manifests.ts'
import type { metadataHandlers } from './metadata.ts'
import type { uploadHandlers } from './uploads.ts'

export interface RouteHandlers {
  readonly manifests: ReturnType<typeof manifestHandlers>
  readonly blobs: ReturnType<typeof blobHandlers>
  readonly uploads: ReturnType<typeof uploadHandlers>
  readonly listings: ReturnType<typeof listingHandlers>
  readonly metadata: ReturnType<typeof metadataHandlers>
}

/** Per method: the actions of which one is needed, and who answers. `GET` answers `HEAD` too. */
type Methods = Readonly<Record<string, readonly [actions: readonly string[], handler: Handler]>>

interface RouteRule {
  readonly route: Route
  readonly pattern: RegExp
  /** Whether only ACR has it. */
  readonly acr?: boolean
  readonly methods: Methods
}

const noName = ''

/** The login server: everything it answers, on one screen. */
export function routeTable({ manifests, blobs, uploads, listings, metadata }: RouteHandlers): readonly RouteRule[] {
  const [pull, push, remove, read] = [['pull'], ['push'], ['delete'], ['metadata_read']]
  const list = ['pull', 'metadata_read']
  const name = '(?<repository>.+)'
  const rule = (route: Route, pattern: string, methods: Methods, acr = false): RouteRule => {
    return { route, pattern: new RegExp(`^${pattern}$`), methods, acr }
  }
  const upload = {
    PATCH: [push, uploads.append],
    PUT: [push, uploads.complete],
    GET: [push, uploads.status],
    DELETE: [push, uploads.cancel]
  } as const
  const manifest = {
    GET: [pull, manifests.get],
    PUT: [push, manifests.put],
    DELETE: [remove, manifests.remove]
  } as const
  return [
    rule('version', '/v2/?', { GET: [[], () => empty(200)] }),
    rule('catalog', '/v2/_catalog', { GET: [['*'], listings.catalog] }),
    rule('upload', `/v2/${name}/blobs/uploads/?`, { POST: [push, uploads.begin] }),
    rule('upload', `/v2/${name}/blobs/uploads/(?<reference>[^/]+)`, upload),
    rule('blob', `/v2/${name}/blobs/(?<reference>[^/]+)`, { GET: [pull, blobs.get], DELETE: [remove, blobs.remove] }),
    rule('manifest', `/v2/${name}/manifests/(?<reference>[^/]+)`, manifest),
    rule('tags', `/v2/${name}/tags/list`, { GET: [list, listings.tags] }),
    rule('referrers', `/v2/${name}/referrers/(?<reference>[^/]+)`, { GET: [pull, listings.referrers] }),
    rule('catalog', '/acr/v1/_catalog', { GET: [['*'], listings.catalog] }, true),
    rule('metadata', `/acr/v1/${name}/_tags`, { GET: [read, metadata.tags] }, true),
    rule(
      'metadata',
      `/acr/v1/${name}/_tags/(?<reference>[^/]+)`,
      { GET: [read, metadata.tag], DELETE: [remove, metadata.removeTag] },
      true
    ),
    rule('metadata', `/acr/v1/${name}/_manifests`, { GET: [read, metadata.manifests] }, true),
    rule('metadata', `/acr/v1/${name}/_manifests/(?<reference>[^/]+)`, { GET: [read, metadata.manifest] }, true),
    rule(
      'metadata',
      `/acr/v1/${name}`,
      { GET: [read, metadata.repository], DELETE: [remove, metadata.removeRepository] },
      true
    )
  ]
}

export interface Found {
  readonly route: Route
  readonly repository: string
  readonly reference: string
  readonly handler: Handler
}

/** Who answers a path of the login server, the right to ask included. */
export function createRouter(rules: readonly RouteRule[], access: Access, acr: boolean) {
  const served = rules.filter((rule) => acr || !rule.acr)
  return (method: string, pathname: string): Found => {
    if (pathname === '/oauth2/token')
      return { route: 'token', repository: noName, reference: '', handler: access.token }
    for (const { route, pattern, methods } of served) {
      const groups = pattern.exec(pathname)?.groups
      if (!pattern.test(pathname)) continue
      const { repository = noName, reference = '' } = groups ?? {}
      return { route, repository, reference: decoded(reference), handler: guarded(methods, method, access) }
    }
    return { route: 'unknown', repository: noName, reference: '', handler: () => empty(404) }
  }
}

function guarded(methods: Methods, method: string, access: Access): Handler {
  const [actions, handler] = methods[method === 'HEAD' ? 'GET' : method] ?? []
  return (call: Call) => {
    if (!actions || !handler) throw unsupported()
    access.check(call, needOf(call, actions))
    if (call.repository !== noName && !isRepositoryName(call.repository)) {
      throw new Refusal(400, 'NAME_INVALID', 'invalid repository name', { detail: { name: call.repository } })
    }
    return handler(call)
  }
}

function needOf({ route, repository }: Call, actions: readonly string[]) {
  if (route === 'catalog') return { type: 'registry', name: 'catalog', actions }
  return { type: 'repository', name: repository, actions }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
