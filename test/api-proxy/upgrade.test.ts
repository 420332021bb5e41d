import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { test } from 'node:test'
import { setImmediate as immediate } from 'node:timers/promises'
import { createLog } from '@connected-registry/edge-module/log.ts'
import { RegistryAgent } from '../../modules/api-proxy/src/registry-agent.ts'
import type { Upstream } from '../../modules/api-proxy/src/routes.ts'
import { createUpgrade } from '../../modules/api-proxy/src/upgrade.ts'
import { aRegistry, openSocket } from './open-door.ts'

test('a client that leaves before edgeHub has agreed is no outage of edgeHub', async (t) => {
  const lines: string[] = []
  const log = createLog({ module: 'test', destination: { write: (line) => void lines.push(line) } })
  const hub = await aRegistry(t, () => {})
  const asked = Promise.withResolvers<Socket>()
  hub.server.on('upgrade', (_, socket) => asked.resolve(socket as Socket))
  const upstream: Upstream = { kind: 'edgeHub', protocol: 'http', address: { host: '127.0.0.1', port: hub.port } }
  const door = createServer().on('upgrade', createUpgrade({ upstream, agent: new RegistryAgent(1_000), log }))
  await once(door.listen(0, '127.0.0.1'), 'listening')
  t.after(() => door.close())

  const client = await openSocket(t, (door.address() as AddressInfo).port)
  client.write('GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  const there = await asked.promise
  client.resetAndDestroy()
  await once(there.resume(), 'end')
  there.destroy()
  // The door hears of the end of its own request in a turn after that.
  for (let turn = 0; turn < 5; turn++) await immediate()

  assert.deepEqual(lines, [])
})
