import assert from 'node:assert/strict'
import test from 'node:test'
import {
  authorize,
  authorizeCatalog,
  authorizeGateway,
  grantedScopes,
  mayList,
  maySeeAll
} from '../../../modules/connected-registry/src/access/authorize.ts'
import type { Identity } from '../../../modules/connected-registry/src/access/tokens.ts'
import {
  type Action,
  type GatewayAction,
  parseScopeMap
} from '../../../modules/connected-registry/src/protocol/scope-map.ts'
import { parseTokenScopes } from '../../../modules/connected-registry/src/protocol/token-scope.ts'

const actions: readonly Action[] = [
  'content/read',
  'content/write',
  'content/delete',
  'metadata/read',
  'metadata/write'
]
const { scopeMap } = parseScopeMap(actions.map((action) => `repositories/app/*/${action}`))
const everything: Identity = { name: 'writer', scopeMap }

test('nobody is asked for credentials, whatever the action', () => {
  for (const action of actions) {
    const decision = authorize({ identity: undefined, action, repository: 'app/web', mode: 'ReadOnly' })
    assert.deepEqual(decision, { kind: 'unauthenticated' })
  }
})

test('a ReadOnly registry refuses every write of every client, in the words of ACR', () => {
  const expected = { kind: 'denied', message: 'This operation is not allowed on this registry.' }

  for (const action of ['content/write', 'content/delete', 'metadata/write'] as const) {
    for (const repository of ['app/web', 'other']) {
      assert.deepEqual(authorize({ identity: everything, action, repository, mode: 'ReadOnly' }), expected)
    }
    const decision = authorize({ identity: everything, action, repository: 'app/web', mode: 'ReadWrite' })
    assert.deepEqual(decision, { kind: 'allowed' })
  }
})

test('a scope map allows what it names and nothing else', () => {
  const reader: Identity = { name: 'reader', scopeMap: parseScopeMap(['repositories/app/*/content/read']).scopeMap }
  const denied = { kind: 'denied', message: 'Insufficient scopes to perform the operation' }
  const ask = (action: Action, repository: string) =>
    authorize({ identity: reader, action, repository, mode: 'ReadWrite' })

  assert.deepEqual(ask('content/read', 'app/web'), { kind: 'allowed' })
  assert.deepEqual(ask('metadata/read', 'app/web'), denied)
  assert.deepEqual(ask('content/write', 'app/web'), denied)
  assert.deepEqual(ask('content/read', 'application/web'), denied)
})

test('an access token counts only for what it was issued for, and only while the scope map still says so', () => {
  const access = [{ type: 'repository', name: 'app/web', actions: ['pull'] }]
  const ask = (identity: Identity, action: Action, repository: string) =>
    authorize({ identity, action, repository, mode: 'ReadWrite' }).kind

  assert.equal(ask({ ...everything, access }, 'content/read', 'app/web'), 'allowed')
  assert.equal(ask({ ...everything, access }, 'content/write', 'app/web'), 'unauthenticated')
  assert.equal(ask({ ...everything, access }, 'content/read', 'app/other'), 'unauthenticated')
  assert.equal(ask({ ...everything, access: [] }, 'content/read', 'app/web'), 'unauthenticated')
  const shrunk = parseScopeMap(['repositories/other/content/read']).scopeMap
  assert.equal(ask({ name: 'writer', scopeMap: shrunk, access }, 'content/read', 'app/web'), 'denied')
})

test('of the scopes asked for an identity gets what it may have, the rest is left out', () => {
  const asked = parseTokenScopes([
    'repository:app/web:push,pull,delete',
    'repository:app/all:*',
    'repository:other:pull',
    'registry:catalog:*',
    'repository:app/odd:fly'
  ])

  const catalog = { type: 'registry', name: 'catalog', actions: ['*'] }
  assert.deepEqual(grantedScopes(everything, asked, 'ReadOnly'), [
    { type: 'repository', name: 'app/web', actions: ['pull'] },
    { type: 'repository', name: 'app/all', actions: ['pull', 'metadata_read'] },
    catalog
  ])
  assert.deepEqual(grantedScopes(everything, asked, 'ReadWrite'), [
    { type: 'repository', name: 'app/web', actions: ['pull', 'push', 'delete'] },
    { type: 'repository', name: 'app/all', actions: ['pull', 'push', 'delete', 'metadata_read', 'metadata_write'] },
    catalog
  ])
})

test('the catalog is for whoever may read something, and shows nothing else', () => {
  const access = [{ type: 'repository', name: 'app/web', actions: ['pull'] }]
  const catalog = [{ type: 'registry', name: 'catalog', actions: ['*'] }]
  const pusher: Identity = { name: 'p', scopeMap: parseScopeMap(['repositories/app/*/content/write']).scopeMap }
  const lister: Identity = { name: 'l', scopeMap: parseScopeMap(['repositories/app/*/metadata/read']).scopeMap }

  assert.deepEqual(authorizeCatalog(undefined), { kind: 'unauthenticated' })
  assert.equal(authorizeCatalog(pusher).kind, 'denied')
  assert.equal(authorizeCatalog(lister).kind, 'allowed')
  assert.equal(authorizeCatalog({ ...lister, access }).kind, 'unauthenticated')
  assert.equal(authorizeCatalog({ ...lister, access: catalog }).kind, 'allowed')
  assert.deepEqual(grantedScopes(pusher, catalog, 'ReadWrite'), [])
  assert.deepEqual(
    [mayList(lister, 'app/web'), mayList(everything, 'app/web'), mayList(pusher, 'app/web'), mayList(lister, 'other')],
    [true, true, false, false]
  )
})

test('the channel of a connected registry is for the sync token whose scope map names it, in whatever case', () => {
  const { scopeMap } = parseScopeMap(['gateway/Site-A/config/read', 'gateway/site-a/message/write'])
  const child: Identity = { name: 'child-sync', scopeMap, child: 'Site-A' }
  const ask = (identity: Identity | undefined, action: GatewayAction, gateway: string) =>
    authorizeGateway({ identity, action, gateway }).kind

  assert.equal(ask(undefined, 'config/read', 'site-a'), 'unauthenticated')
  assert.equal(ask(child, 'config/read', 'site-a'), 'allowed')
  assert.equal(ask(child, 'message/write', 'SITE-A'), 'allowed')
  assert.equal(ask(child, 'config/write', 'site-a'), 'denied')
  assert.equal(ask({ name: 'client', scopeMap }, 'config/read', 'site-a'), 'denied')
  assert.equal(ask(child, 'config/read', 'site-b'), 'denied')
  const access = [{ type: 'gateway', name: 'site-a', actions: ['config_read'] }]
  assert.equal(ask({ ...child, access }, 'config/read', 'Site-A'), 'allowed')
  assert.equal(ask({ ...child, access }, 'message/write', 'site-a'), 'unauthenticated')
  // A right to a gateway is none to a repository of that name, and the other way round.
  assert.equal(
    authorize({ identity: child, action: 'content/read', repository: 'site-a', mode: 'ReadWrite' }).kind,
    'denied'
  )
  assert.equal(ask(everything, 'config/read', 'app/web'), 'denied')
})

test('gateway scopes are granted as far as the scope map goes, whatever the mode', () => {
  const { scopeMap } = parseScopeMap(['gateway/site-a/config/read', 'gateway/site-a/message/write'])
  const asked = parseTokenScopes(['gateway:site-a:*', 'gateway:site-b:config_read', 'gateway:site-a:config_write,fly'])

  assert.deepEqual(grantedScopes({ name: 'client', scopeMap }, asked, 'ReadOnly'), [])
  assert.deepEqual(grantedScopes({ name: 'child-sync', scopeMap, child: 'site-a' }, asked, 'ReadOnly'), [
    { type: 'gateway', name: 'site-a', actions: ['config_read', 'message_write'] }
  ])
})

test('a scope map for all repositories grants nothing for what cannot be one', () => {
  const { scopeMap } = parseScopeMap(['repositories/*/content/read'])
  const asked = parseTokenScopes(['repository:../etc:pull', 'repository:UPPER:pull', 'repository:a:5000/b:pull'])

  assert.deepEqual(grantedScopes({ name: 'all', scopeMap }, asked, 'ReadOnly'), [])
})

test('the names of everything are for whoever may read all repositories', () => {
  const may = (action: string, access?: Identity['access']) =>
    maySeeAll({ name: 'x', scopeMap: parseScopeMap([action]).scopeMap, access })
  const catalog = [{ type: 'registry', name: 'catalog', actions: ['*'] }]

  assert.equal(may('repositories/*/content/read'), true)
  assert.equal(may('repositories/*/metadata/read', catalog), true)
  assert.equal(may('repositories/*/metadata/read', []), false)
  assert.equal(may('repositories/*/content/write'), false)
  assert.equal(may('repositories/app/*/content/read'), false)
  assert.equal(may('gateway/site-a/config/read'), false)
})
