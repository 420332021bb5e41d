import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { ParentError } from '../../../modules/connected-registry/src/parent/parent-error.ts'
import { parseConnectionString } from '../../../modules/connected-registry/src/protocol/connection-string.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { connectionString } from '../../simulators/world.ts'
import { aChild } from '../children/some-children.ts'
import { aToken, password, serveRegistry } from '../http/served-registry.ts'
import { openParent } from './parent-rig.ts'
import { byPath, failing, inTurn, json, type Script, scriptedServer } from './scripted-server.ts'

const instance = { instanceId: 'one', version: '0.1.0' }
const rights = ['config/read', 'config/write', 'message/read', 'message/write']
const patience = { retry: { retries: 0 }, breaker: { failures: 10_000 } }

/** A real parent, and its gateway as the child called `name` sees it. */
async function realParent(t: TestContext, name = 'site-a', tokenChild = 'site-a') {
  const served = await serveRegistry(t)
  served.settings.children = [aChild()]
  const actions = rights.map((right) => `gateway/${tokenChild}/${right}`)
  served.settings.tokens = [...served.settings.tokens, { ...(await aToken(name, actions)), child: tokenChild }]
  const connection = parseConnectionString(connectionString({ name, password }, `127.0.0.1:${served.port}`), {})
  const { parent, signal } = openParent(t, connection, patience)
  return { served, gateway: parent.gateway, parent, signal }
}

test('a child finds the gateway, activates, reads its config once and is told what happens', async (t) => {
  const { served, gateway, parent, signal } = await realParent(t)

  assert.equal(await gateway.probe(signal), 'gateway')
  assert.deepEqual(gateway.standing, { epoch: 'instance-1', isSynced: true, isReadOnly: true })
  assert.equal(parent.epoch, 'instance-1')
  assert.deepEqual((await gateway.activate(instance, signal)).ancestors, ['instance-1', 'above-1'])
  const config = await gateway.config(instance, undefined, signal)
  assert.deepEqual(config?.body, { mode: 'ReadOnly', repositories: ['app/*'] })
  assert.equal(await gateway.config(instance, config?.etag, signal), undefined)
  const { next } = await gateway.messages(instance, { waitSeconds: 0, limit: 10 }, signal)
  await served.hold('app/one', anImage(), '1.0')
  served.settings.isSynced = false
  const page = await gateway.messages(instance, { after: next, waitSeconds: 1, limit: 10 }, signal)
  const references = page.messages.map((message) => (message.kind === 'artifact' ? message.reference : message.kind))
  assert.ok(references.includes('1.0'))
  assert.deepEqual(gateway.standing, { epoch: 'instance-1', isSynced: false, isReadOnly: true })
})

test('the name of a child in another case is the same child', async (t) => {
  const { gateway, signal } = await realParent(t, 'Site-A')

  assert.equal((await gateway.activate(instance, signal)).name, 'site-a')
})

test('refusals carry the word of the parent', async (t) => {
  const { served, gateway, signal } = await realParent(t)
  const isRefused = (parentCode: string) => (error: unknown) =>
    error instanceof ParentError && error.parentCode === parentCode && !error.retryable

  await assert.rejects(gateway.config(instance, undefined, signal), isRefused('NOT_ACTIVATED'))
  await served.children.activate(aChild(), { instanceId: 'two', version: '0.1.0' })
  await assert.rejects(gateway.activate(instance, signal), isRefused('ALREADY_ACTIVATED'))
  const two = { ...instance, instanceId: 'two' }
  const expired = gateway.messages(two, { after: '7.another-store', waitSeconds: 0, limit: 10 }, signal)
  await assert.rejects(expired, isRefused('MESSAGES_EXPIRED'))
})

test("a token of another child opens no one's gateway but its own", async (t) => {
  const { gateway, signal } = await realParent(t, 'site-a', 'site-b')

  await assert.rejects(gateway.activate(instance, signal), (error) => error instanceof ParentError && !error.retryable)
})

test('whatever does not say that it is a gateway is none; a failure says nothing', async (t) => {
  const answers: readonly (readonly [Script, string])[] = [
    [json(200, { gateway: 2 }), 'plain'],
    [json(200, 'gateway'), 'plain'],
    [failing(404, 'NAME_UNKNOWN'), 'plain'],
    [failing(401, 'UNAUTHORIZED'), 'plain'],
    [(_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>hello'), 'other'],
    [(_, response) => response.writeHead(302, { location: '/login' }).end(), 'other'],
    [failing(503, 'UNAVAILABLE'), 'SERVER_ERROR'],
    [(request) => request.socket.destroy(), 'UNREACHABLE'],
    [json(200, { gateway: 1 }), 'BAD_ANSWER']
  ]
  const server = await scriptedServer(t, byPath({ '/acr/gateway/v1': inTurn(...answers.map(([script]) => script)) }))
  const { parent, signal } = openParent(t, server.host, patience)

  for (const [, expected] of answers) {
    const kind = await parent.gateway.probe(signal).catch((error: ParentError) => error.code)
    assert.equal(kind, expected)
    assert.equal(parent.gateway.standing, undefined)
    assert.equal(parent.epoch, server.host)
  }
})

test('no answer of a gateway does more than fail', async (t) => {
  let body: unknown
  const answer: Script = (request, response) => json(200, body, { ETag: '"one"' })(request, response)
  const root = '/acr/gateway/v1/site-one'
  const paths = { [`${root}/activation`]: answer, [`${root}/messages`]: answer, [`${root}/config`]: answer }
  const server = await scriptedServer(t, byPath(paths))
  const { parent, signal } = openParent(t, server.host, patience)
  const { gateway } = parent
  const part = fc.oneof(fc.jsonValue(), fc.constantFrom('app/../x', 'a'.repeat(300), '1.x', -1))
  const message = fc.record({ kind: fc.constantFrom('artifact', 'config', 'x'), sequence: part, repository: part })
  const page = fc.record({ messages: fc.oneof(fc.array(message, { maxLength: 3 }), part), next: part, ancestors: part })

  await fc.assert(
    fc.asyncProperty(fc.oneof(page, fc.jsonValue()), async (document) => {
      body = document
      const asked = [
        gateway.activate(instance, signal),
        gateway.messages(instance, { waitSeconds: 0, limit: 10 }, signal),
        gateway.config(instance, undefined, signal)
      ]
      for (const outcome of await Promise.allSettled(asked)) {
        if (outcome.status === 'rejected') assert.equal((outcome.reason as ParentError).code, 'BAD_ANSWER')
      }
    }),
    { numRuns: 50 }
  )
})
