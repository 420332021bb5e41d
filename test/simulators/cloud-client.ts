import type { TestContext } from 'node:test'
import { basicAuthorization } from '../fixtures/push-image.ts'
import { type CloudRegistry, type CloudRegistryOptions, createCloudRegistry } from './cloud-registry/cloud-registry.ts'
import type { CloudToken } from './cloud-registry/tokens.ts'

/** May do everything; lists the catalog. */
export const admin: CloudToken = {
  name: 'admin',
  password: 'admin-password',
  actions: ['content/read', 'content/write', 'content/delete', 'metadata/read', 'metadata/write'].map(
    (verb) => `repositories/*/${verb}`
  ),
  catalog: true
}

/** A token with a scope map: reads `demo/...` and no more. */
export const reader: CloudToken = {
  name: 'reader',
  password: 'reader-password',
  actions: ['repositories/demo/*/content/read', 'repositories/demo/*/metadata/read']
}

/** A started registry that stops with the test. */
export async function aCloud(t: TestContext, options: CloudRegistryOptions = {}): Promise<CloudRegistry> {
  const cloud = createCloudRegistry({ tokens: [admin, reader], ...options })
  await cloud.start()
  t.after(() => cloud.stop())
  return cloud
}

/** An Authorization header with an access token for these scopes; undefined where the registry refuses one. */
export async function bearer(cloud: CloudRegistry, { name, password }: CloudToken, ...scopes: readonly string[]) {
  const query = new URLSearchParams([['service', cloud.loginServer], ...scopes.map((scope) => ['scope', scope])])
  const headers = { authorization: basicAuthorization(name, password) }
  const answer = await fetch(`${cloud.url}/oauth2/token?${query}`, { headers, signal: AbortSignal.timeout(60_000) })
  const { access_token, token } = JSON.parse(await answer.text())
  return answer.ok ? { authorization: `Bearer ${access_token ?? token}` } : undefined
}

/** The answer's JSON. */
export async function jsonOf(answer: Response) {
  return JSON.parse(await answer.text())
}

/** A request as `token` with the access token it needs. Redirects are handed back. */
export function aClient(cloud: CloudRegistry, token: CloudToken, ...scopes: readonly string[]) {
  return async (path: string, request: RequestInit = {}): Promise<Response> => {
    const headers = { ...(await bearer(cloud, token, ...scopes)), ...(request.headers as Record<string, string>) }
    return await fetch(new URL(path, cloud.url), {
      redirect: 'manual',
      signal: AbortSignal.timeout(60_000),
      ...request,
      headers
    })
  }
}
