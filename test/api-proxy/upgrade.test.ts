import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { setImmediate as immediate } from 'node:timers/promises'
import { createLog, type Log } from '@connected-registry/edge-module/log.ts'
import { RegistryAgent } from '../../modules/api-proxy/src/registry-agent.ts'
import type { Upstream } from '../../modules/api-proxy/src/routes.ts'
import { createUpgrade } from '../../modules/api-proxy/src/upgrade.ts'
import { aRegistry, openSocket } from './open-door.ts'

for (const [how, leave] of [
  ['cuts its connection', (client: Socket) => void client.resetAndDestroy()],
  ['ends it', (client: Socket) => void client.end()]
] as const) {
  test(`a client that ${how} before edgeHub has agreed is left at once, and no outage of edgeHub`, async (t) => {
    const lines: string[] = []
    const log = createLog({ module: 'test', destination: { write: (line) => void lines.push(line) } })
    const hub = await aRegistry(t, () => {})
    const asked = Promise.withResolvers<Socket>()
    hub.server.on('upgrade', (_, socket) => asked.resolve(socket as Socket))
    const port = await aDoor(t, hub.port, log)

    const client = await openSocket(t, port)
    client.write(upgradeRequest)
    const there = await asked.promise
    leave(client)
    await once(there.resume(), 'end')
    there.destroy()
    // The door hears of the end of its own request in a turn after that.
    for (let turn = 0; turn < 5; turn++) await immediate()

    assert.deepEqual(lines, [])
  })
}

test('what a client sends before edgeHub has agreed comes to edgeHub all the same', async (t) => {
  const hub = await aRegistry(t, () => {})
  const asked = Promise.withResolvers<Socket>()
  hub.server.on('upgrade', (_, socket) => asked.resolve(socket as Socket))
  const port = await aDoor(t, hub.port, createLog({ module: 'test', destination: { write: () => {} } }))

  const client = await openSocket(t, port)
  client.write(upgradeRequest)
  const there = await asked.promise
  client.write('early, ')
  for (let turn = 0; turn < 5; turn++) await immediate()
  there.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  await once(client, 'data')
  client.end('late')

  assert.equal(await text(there), 'early, late')
})

const upgradeRequest = 'GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

/** Leads to the hub, and to nothing else. */
async function aDoor(t: TestContext, hubPort: number, log: Log): Promise<number> {
  const upstream: Upstream = { kind: 'edgeHub', protocol: 'http', address: { host: '127.0.0.1', port: hubPort } }
  const door = createServer().on('upgrade', createUpgrade({ upstream, agent: new RegistryAgent(1_000), log }))
  await once(door.listen(0, '127.0.0.1'), 'listening')
  t.after(() => door.close())
  return (door.address() as AddressInfo).port
}
