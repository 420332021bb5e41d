import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { authorize } from '../../../modules/connected-registry/src/access/authorize.ts'
import type { Need } from '../../../modules/connected-registry/src/http/guard.ts'
import { createRouter, routes } from '../../../modules/connected-registry/src/http/routes.ts'
import {
  type Action,
  isGatewayAction,
  parseScopeMap
} from '../../../modules/connected-registry/src/protocol/scope-map.ts'
import { serveRegistry } from './served-registry.ts'

const architecture = readFileSync(new URL('../../../ARCHITECTURE.md', import.meta.url), 'utf8')
const row = /^\| `([A-Z]+) (\S+)` \| ([a-z/ ]+?) \| ([a-z]+) \|$/gm

test('the table of routes in ARCHITECTURE.md is the router: every route, what it needs, what ReadOnly does with it', async (t) => {
  const { routing } = await serveRegistry(t)

  const written = Array.from(architecture.matchAll(row), ([, method, path, need, readOnly]) =>
    [method, path, need, readOnly].join(' ')
  )

  const declared = routes(routing).map(({ method, path, needs }) =>
    [method.toUpperCase(), path, needs, inReadOnly(needs)].join(' ')
  )
  const routed = createRouter(routing).stack.flatMap(({ methods, path }) =>
    methods.filter((method) => method !== 'HEAD').map((method) => `${method} ${String(path)}`)
  )
  assert.deepEqual(written.toSorted(), declared.toSorted())
  assert.deepEqual(routed.toSorted(), declared.map((line) => line.split(' ', 2).join(' ')).toSorted())
})

/** As the one function that decides says of somebody who may do everything. */
function inReadOnly(need: Need): 'answered' | 'refused' {
  const isForReaders = need === 'catalog' || need === 'every repository' || need === 'any token' || need === 'nothing'
  if (isForReaders || isGatewayAction(need)) return 'answered'
  const { scopeMap } = parseScopeMap(actions.map((action) => `repositories/*/${action}`))
  const identity = { name: 'everything', scopeMap }
  const decision = authorize({ identity, action: need, repository: 'app/web', mode: 'ReadOnly' })
  return decision.kind === 'allowed' ? 'answered' : 'refused'
}

const actions: readonly Action[] = [
  'content/read',
  'content/write',
  'content/delete',
  'metadata/read',
  'metadata/write'
]
