import Router from '@koa/router'
import { RegistryError } from '../protocol/errors.ts'
import type { Registry } from '../registry/registry.ts'
import { getBase } from './base.ts'
import { getBlob } from './blobs.ts'
import { type GuardOptions, guarded, type Need } from './guard.ts'
import type { Handler } from './handler.ts'
import { getManifest } from './manifests.ts'
import { getAccessToken, refuseTokenPost } from './oauth2.ts'
import { getReferrers } from './referrers.ts'
import { getStatus } from './status.ts'
import { getTags } from './tags.ts'

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
  readonly status: () => unknown
}

// Pushes belong to ReadWrite mode: they are declared, so that each is refused by its own rule, and do nothing yet.
const notSupported: Handler = () => {
  throw new RegistryError('UNSUPPORTED')
}

/** Every route on one screen. Each pattern is tried for each request: they are few, and each has its own last words. */
export function routes({ registry, access, mode, status }: RouteOptions): readonly Route[] {
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
    { method: 'get', path: token, needs: 'nothing', handle: getAccessToken(access, mode) },
    { method: 'post', path: token, needs: 'nothing', handle: refuseTokenPost },
    { method: 'get', path: '/status', needs: 'any token', handle: getStatus(status) },
    { method: 'put', path: manifest, needs: 'content/write', handle: notSupported },
    { method: 'delete', path: manifest, needs: 'content/delete', handle: notSupported },
    { method: 'delete', path: blob, needs: 'content/delete', handle: notSupported },
    { method: 'post', path: uploads, needs: 'content/write', handle: notSupported },
    { method: 'get', path: upload, needs: 'content/write', handle: notSupported },
    { method: 'patch', path: upload, needs: 'content/write', handle: notSupported },
    { method: 'put', path: upload, needs: 'content/write', handle: notSupported },
    { method: 'delete', path: upload, needs: 'content/write', handle: notSupported }
  ]
}

export function createRouter(options: RouteOptions): Router {
  const router = new Router({ strict: true, sensitive: true })
  for (const { method, path, needs, handle } of routes(options)) {
    router[method](path, guarded(needs, handle, options))
  }
  return router
}
