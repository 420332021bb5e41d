import assert from 'node:assert/strict'
import { password } from './parent-rig.ts'
import {
  type AskedRequest,
  byPath,
  failing,
  json,
  type Script,
  type ScriptedServer,
  scriptedServer
} from './scripted-server.ts'

export const tags = { name: 'app', tags: ['v1'] }

export interface TokenParentOptions {
  readonly realm?: (host: string) => string
  readonly token?: Script
  /** The Authorization that opens `/v2/app/tags/list`. */
  readonly accepted?: string
  readonly scope?: string
}

/** A parent whose list of tags opens to a Bearer token from its own `/oauth2/token`. */
export async function tokenParent(t: Parameters<typeof scriptedServer>[0], options: TokenParentOptions = {}) {
  const { realm = (host) => `http://${host}/oauth2/token`, accepted = 'Bearer issued' } = options
  const scope = options.scope ? `,scope="${options.scope}"` : ''
  const server: ScriptedServer = await scriptedServer(t, (request, response) => {
    const challenge = `Bearer realm="${realm(server.host)}",service="the parent"${scope}`
    const guarded: Script = (request, response) => {
      if (request.headers.authorization === accepted) json(200, tags)(request, response)
      else failing(401, 'UNAUTHORIZED', { 'www-authenticate': challenge })(request, response)
    }
    const token = options.token ?? json(200, { access_token: 'issued', expires_in: 300 })
    byPath({ '/v2/app/tags/list': guarded, '/oauth2/token': token })(request, response)
  })
  return server
}

export function tokenRequests(server: ScriptedServer): readonly AskedRequest[] {
  return server.asked.filter(({ target }) => target.startsWith('/oauth2/token'))
}

/** Nothing that was asked of the server could prove who we are. */
export function assertNoCredentials(server: ScriptedServer): void {
  for (const { target, headers } of server.asked) {
    assert.equal(headers.authorization, undefined, `credentials went to ${target}`)
    assert.equal(headers.cookie, undefined)
    assert.doesNotMatch(target, new RegExp(password))
  }
}
