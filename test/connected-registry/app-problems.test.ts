import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anImage } from '../fixtures/image-builder.ts'
import { freePorts } from '../fixtures/ports.ts'
import type { Fault, RequestMatcher } from '../simulators/cloud-registry/faults.ts'
import type { Section } from '../simulators/edge-hub/twins.ts'
import { connectionString } from '../simulators/world.ts'
import { anEdgeSite, type EdgeSite, syncToken } from './edge-site.ts'
import { byPath, json, scriptedServer } from './parent/scripted-server.ts'
import type { Status } from './running-app.ts'

const has = (code: string, description: RegExp) => (status: Status) =>
  status.statusDetails?.some((detail) => detail.code === code && description.test(detail.description)) ?? false

/** Named in the twin, the status, the direct method and the log; and what was here is served all the while. */
async function assertNamed({ app, reported, invoke, pull }: EdgeSite, from: number, code: string, description: RegExp) {
  const isNamed = has(code, description)
  await reported(isNamed)
  assert.equal(isNamed(await app.status()), true, 'GET /status')
  assert.equal(isNamed((await invoke('status')).payload as Status), true, 'direct method')
  await app.line((line) => line.code === code && description.test(String(line.description)), from)
  assert.equal(await pull(), 200)
}

async function assertMended({ app, reported, pull }: EdgeSite, from: number, code: string) {
  await reported(({ statusDetails, connectionState }) => statusDetails.length === 0 && connectionState === 'Online')
  await app.line((line) => line.code === code && line.msg === 'status detail went away', from)
  assert.equal(await pull(), 200)
}

const refusals: readonly (readonly [what: string, change: Section, problem: RegExp])[] = [
  ['a connection string without a password', { connectionString: 'SyncTokenName=x' }, /SyncTokenPassword is missing/],
  ['a managed identity', { connectionString: 'ManagedIdentityClientId=1' }, /ManagedIdentityClientId is not supported/],
  ['an unknown mode', { mode: 'Mirror' }, /^twin: mode: is no mode/],
  ['a bad cron pattern', { sync: { schedule: '61 * * * *', window: 'PT3H' } }, /^twin: sync\.schedule: is no cron/],
  ['a bad repository name', { repositories: ['Demo/App'] }, /^twin: repositories\.0: is neither a repository name/]
]

test('a twin with', async (t) => {
  const site = await anEdgeSite(t)
  for (const [what, change, problem] of refusals)
    await t.test(`${what} is refused by name everywhere, and all goes on as before`, async () => {
      const from = site.app.lines.length
      const before = (await site.app.status()).settings.version

      const refusedVersion = await site.desire({ ...site.desired, ...change })

      await assertNamed(site, from, 'SETTINGS_REFUSED', problem)
      const { settings, parent, mode } = await site.app.status()
      assert.deepEqual([settings.version, settings.refusedVersion], [before, refusedVersion])
      assert.equal(settings.problems.length > 0, true)
      assert.deepEqual([parent?.loginServer, mode], [site.cloud.loginServer, 'ReadOnly'])
      await site.desire(site.desired)
      await assertMended(site, from, 'SETTINGS_REFUSED')
    })
})

test('a parent that', async (t) => {
  const site = await anEdgeSite(t)
  const { cloud, desired } = site
  const parent = (host: string, token = syncToken) => ({ ...desired, connectionString: connectionString(token, host) })
  const page = '<html><title>Sign in</title></html>'
  const html = await scriptedServer(t, (_, response) =>
    response.writeHead(200, { 'content-type': 'text/html' }).end(page)
  )
  const nothing = await scriptedServer(t, byPath({}))
  const wrongRegistry = await scriptedServer(t, json(404, { errors: [{ code: 'NAME_UNKNOWN', message: '' }] }))
  const [closedPort] = await freePorts(1)

  const cases: readonly (readonly [what: string, twin: Section, code: string, description: RegExp])[] = [
    ['cannot be reached', parent(`127.0.0.1:${closedPort}`), 'UNREACHABLE', /could not be reached/],
    ['answers with pages for people', parent(html.host), 'BAD_ANSWER', /gave an answer that cannot be used/],
    ['answers 404 to everything', parent(nothing.host), 'NOT_FOUND', /has nothing there/],
    ['does not know the repository', parent(wrongRegistry.host), 'NAME_UNKNOWN', /the parent does not know demo\/app/],
    [
      'refuses the credentials',
      parent(cloud.loginServer, { ...syncToken, password: 'wrong' }),
      'UNAUTHORIZED',
      /refused the credentials/
    ],
    ['refuses the catalog', { ...desired, repositories: ['demo/app', 'demo/*'] }, 'SCOPE_UNKNOWN', /demo\/\*/]
  ]
  for (const [what, twin, code, description] of cases)
    await t.test(`${what} is named everywhere, and all that is here is served`, async () => {
      const from = site.app.lines.length
      await site.desire(twin)

      await assertNamed(site, from, code, description)
      await site.desire(desired)
      await assertMended(site, from, code)
    })

  const spoiled: readonly (readonly [what: string, on: RequestMatcher, fault: Fault])[] = [
    ['sends wrong bytes for a blob', { route: 'data' }, { kind: 'wrong-bytes' }],
    ['sends another manifest than asked for', { route: 'manifest', method: 'GET' }, { kind: 'other-body' }],
    ['lies about a digest', { route: 'manifest', method: 'GET' }, { kind: 'wrong-digest-header' }]
  ]
  for (const [at, [what, on, fault]] of spoiled.entries())
    await t.test(`${what} is named everywhere, and nothing of that is served`, async (t) => {
      const from = site.app.lines.length
      const rule = cloud.faults.add(on, fault)
      t.after(() => rule.remove())
      cloud.contents.put('demo/app', anImage({ seed: what }), `wrong-${at}`)

      await site.invoke('sync')

      await assertNamed(site, from, 'DIGEST_MISMATCH', /demo\/app/)
      assert.equal((await site.app.get(`/v2/demo/app/manifests/wrong-${at}`)).status, 404)
      rule.remove()
      await site.invoke('resync')
      await assertMended(site, from, 'DIGEST_MISMATCH')
      assert.equal((await site.app.get(`/v2/demo/app/manifests/wrong-${at}`)).status, 200)
    })
})
