import { createRequire } from 'node:module'
import type KoaRouter from '@koa/router'
import type { Context } from 'koa'
import type { Children } from '../children/children.ts'
import { gatewayPath } from '../protocol/gateway.ts'
import type { Registry } from '../registry/registry.ts'
import { getBase } from './base.ts'
import { deleteBlob, getBlob } from './blobs.ts'
import { getCatalog } from './catalog.ts'
import { getConfig, getGateway, getMessages, postActivation, postStatus } from './gateway.ts'
import { type GuardOptions, guarded, type Need, type Place, placeOf } from './guard.ts'
import type { Handler } from './handler.ts'
import { getLiveness, getReadiness, type Readiness } from './health.ts'
import { createKnownPaths, type KnownPaths } from './known-paths.ts'
import { deleteManifest, putManifest } from './manifest-changes.ts'
import { getManifest } from './manifests.ts'
import { getManifestAttributes, getManifestList, getRepository, getTag, getTagList } from './metadata.ts'
import { deleteRepository, deleteTag, refuseLocks } from './metadata-changes.ts'
import { getMetrics, type Metrics } from './metrics.ts'
import { mayRead } from './mount.ts'
import { getAccessToken, postAccessToken, refuseExchange } from './oauth2.ts'
import { getReferrers } from './referrers.ts'
import { createRequestCounts, type RequestCounts } from './request-counts.ts'
import { getStatus, type Status } from './status.ts'
import { getTags } from './tags.ts'
import { deleteUpload, getUpload, patchUpload, postUpload, putUpload } from './uploads.ts'

// Not by `import`: as an ES module it imports node:http, and with that Node's own fetch (see `registry-server.ts`).
const { Router }: { readonly Router: typeof KoaRouter } = createRequire(import.meta.url)('@koa/router')

/** One way in. There is no other, and none without a need. A GET route answers HEAD as well. */
export interface Route {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** A repository is `*repository`: its name may hold slashes, so that the last words of a path decide. */
  readonly path: string
  readonly needs: Need
  readonly handle: Handler
}

export interface RouteOptions extends GuardOptions {
  readonly registry: Registry
  readonly status: Status
  readonly metrics: Metrics
  readonly readiness: Readiness
  readonly children: Children
}

/** Every route on one screen. Each pattern is tried for each new path: they are few, and each has its own last words. */
export function routes(options: RouteOptions): readonly Route[] {
  const { registry, children, access, mode, status, metrics, readiness } = options
  const manifest = '/v2/*repository/manifests/:reference'
  const blob = '/v2/*repository/blobs/:reference'
  const uploads = '/v2/*repository/blobs/uploads/'
  const upload = '/v2/*repository/blobs/uploads/:reference'
  const token = '{/acr}/oauth2/token'
  return [
    { method: 'get', path: manifest, needs: 'content/read', handle: getManifest(registry.manifests) },
    { method: 'get', path: blob, needs: 'content/read', handle: getBlob(registry.blobs) },
    { method: 'get', path: '/v2/', needs: 'any token', handle: getBase },
    { method: 'get', path: '/v2/*repository/tags/list', needs: 'content/read', handle: getTags(registry) },
    {
      method: 'get',
      path: '/v2/*repository/referrers/:reference',
      needs: 'content/read',
      handle: getReferrers(registry.referrers)
    },
    { method: 'get', path: token, needs: 'nothing', handle: getAccessToken(access, mode, registry) },
    { method: 'post', path: token, needs: 'nothing', handle: postAccessToken(access, mode, registry) },
    { method: 'post', path: '{/acr}/oauth2/exchange', needs: 'nothing', handle: refuseExchange },
    { method: 'get', path: '/status', needs: 'any token', handle: getStatus(status) },
    { method: 'get', path: '/metrics', needs: 'every repository', handle: getMetrics(metrics) },
    { method: 'get', path: '/healthz', needs: 'nothing', handle: getLiveness },
    { method: 'get', path: '/readyz', needs: 'nothing', handle: getReadiness(readiness) },
    { method: 'put', path: manifest, needs: 'content/write', handle: putManifest(registry) },
    { method: 'delete', path: manifest, needs: 'content/delete', handle: deleteManifest(registry) },
    { method: 'delete', path: blob, needs: 'content/delete', handle: deleteBlob(registry.blobs) },
    { method: 'post', path: uploads, needs: 'content/write', handle: postUpload(registry, mayRead(mode)) },
    { method: 'get', path: upload, needs: 'content/write', handle: getUpload(registry.uploads) },
    { method: 'patch', path: upload, needs: 'content/write', handle: patchUpload(registry.uploads) },
    { method: 'put', path: upload, needs: 'content/write', handle: putUpload(registry.uploads) },
    { method: 'delete', path: upload, needs: 'content/write', handle: deleteUpload(registry.uploads) },
    ...metadataRoutes(registry),
    ...gatewayRoutes(children)
  ]
}

/** ACR's own API; the shorter paths come last, since a wildcard also fits the longer ones. */
function metadataRoutes(registry: Registry): readonly Route[] {
  const repository = '/acr/v1/*repository'
  const [tags, tag] = [`${repository}/_tags`, `${repository}/_tags/:reference`]
  const [manifests, manifest] = [`${repository}/_manifests`, `${repository}/_manifests/:reference`]
  const catalog = (path: '/v2/_catalog' | '/acr/v1/_catalog'): Route => {
    return { method: 'get', path, needs: 'catalog', handle: getCatalog(registry.repositories, path) }
  }
  return [
    catalog('/v2/_catalog'),
    catalog('/acr/v1/_catalog'),
    { method: 'get', path: tags, needs: 'metadata/read', handle: getTagList(registry) },
    { method: 'get', path: tag, needs: 'metadata/read', handle: getTag(registry) },
    { method: 'get', path: manifests, needs: 'metadata/read', handle: getManifestList(registry) },
    { method: 'get', path: manifest, needs: 'metadata/read', handle: getManifestAttributes(registry) },
    { method: 'get', path: repository, needs: 'metadata/read', handle: getRepository(registry) },
    { method: 'delete', path: tag, needs: 'content/delete', handle: deleteTag(registry) },
    { method: 'delete', path: repository, needs: 'content/delete', handle: deleteRepository(registry) },
    { method: 'patch', path: tag, needs: 'metadata/write', handle: refuseLocks },
    { method: 'patch', path: manifest, needs: 'metadata/write', handle: refuseLocks },
    { method: 'patch', path: repository, needs: 'metadata/write', handle: refuseLocks }
  ]
}

/** The channel of the connected registries below this one. */
function gatewayRoutes(children: Children): readonly Route[] {
  const gateway = `${gatewayPath}/:gateway`
  return [
    { method: 'get', path: gatewayPath, needs: 'nothing', handle: getGateway(children) },
    { method: 'post', path: `${gateway}/activation`, needs: 'config/write', handle: postActivation(children) },
    { method: 'get', path: `${gateway}/config`, needs: 'config/read', handle: getConfig(children) },
    { method: 'get', path: `${gateway}/messages`, needs: 'message/read', handle: getMessages(children) },
    { method: 'post', path: `${gateway}/status`, needs: 'config/write', handle: postStatus(children) }
  ]
}

/** `known` is told where each path leads, `counts` which route a request took. */
export function createRouter(
  options: RouteOptions,
  known: KnownPaths = createKnownPaths(),
  counts: Pick<RequestCounts, 'of'> = createRequestCounts()
): KoaRouter {
  const router = new Router({ strict: true, sensitive: true })
  for (const { method, path, needs, handle } of routes(options)) {
    const changes = method !== 'get' && (needs === 'content/write' || needs === 'content/delete')
    const guard = guarded(needs, changes ? waking(options.registry, handle) : handle, options)
    const counted = counts.of(path)
    const serve = (ctx: Context, place: Place) => {
      counted.take(ctx)
      return guard(ctx, place)
    }
    router[method](path, (ctx) => {
      const place = placeOf(ctx.path, ctx.params)
      if (method === 'get') known.note(ctx, (again) => serve(again, place))
      return serve(ctx, place)
    })
  }
  return router
}

/** For a request that changes something: who may is known, and its body is still to come. */
function waking(registry: Pick<Registry, 'wake'>, handle: Handler): Handler {
  return (ctx, target) => {
    registry.wake()
    return handle(ctx, target)
  }
}
