import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { createDoor } from '../../modules/api-proxy/src/door.ts'
import { createForward, type Forward } from '../../modules/api-proxy/src/forward.ts'
import { createForwards } from '../../modules/api-proxy/src/forwards.ts'
import { RegistryAgent } from '../../modules/api-proxy/src/registry-agent.ts'
import { createRelay } from '../../modules/api-proxy/src/relay.ts'
import { routesOf, type Upstream } from '../../modules/api-proxy/src/routes.ts'
import { createDoorServer } from '../../modules/api-proxy/src/server.ts'
import { aRegistry, ask, silentLog } from './open-door.ts'

const log = silentLog
const creators: Readonly<Record<string, (upstream: Upstream) => Forward>> = {
  relay: (upstream) => createRelay(upstream, log),
  'http-proxy': (upstream) => createForward({ upstream, agent: new RegistryAgent(1_000), log })
}

for (const [name, create] of Object.entries(creators)) {
  test(`where routes change what is under way ends as it began, and no idle connection is left at the old place (${name})`, async (t) => {
    const slow = Promise.withResolvers<ServerResponse>()
    const old = await aRegistry(t, (asked, answer) => {
      if (asked.url === '/v2/slow') slow.resolve(answer)
      else answer.end('old')
    })
    const other = await aRegistry(t, (_, answer) => answer.end('new'))
    let table = routesOf({ registry: { host: '127.0.0.1', port: old.port } })
    const forwards = createForwards(create)
    const server = createDoorServer({ handle: createDoor({ routes: () => table, forwards, log }), log })
    const { port } = await server.listen('127.0.0.1', 0)
    t.after(() => server.stop(AbortSignal.abort()).then(forwards.close))
    const running = once(request({ host: '127.0.0.1', port, path: '/v2/slow', agent: false }).end(), 'response')
    const answer = await slow.promise
    assert.equal((await ask(port, '/v2/')).body, 'old')
    const connections = () => new Promise((resolve) => old.server.getConnections((_, count) => resolve(count)))
    assert.equal(await connections(), 2)

    table = routesOf({ registry: { host: '127.0.0.1', port: other.port } })
    forwards.keepOnly(table)
    const changed = (await ask(port, '/v2/')).body
    answer.end('the whole answer')
    const [finished] = await running

    assert.equal(changed, 'new')
    assert.equal(await text(finished), 'the whole answer')
    while ((await connections()) !== 0) await new Promise(setImmediate)
  })
}
