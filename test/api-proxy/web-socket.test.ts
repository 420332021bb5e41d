import assert from 'node:assert/strict'
import { type EventEmitter, once } from 'node:events'
import { request } from 'node:https'
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { aHubSite, askSecurely, authority } from './hub-site.ts'

interface MqttClient extends EventEmitter {
  subscribe(filter: string, done: (error: Error | null) => void): void
  publish(topic: string, payload: string): void
  end(force: boolean, options: object, done: () => void): void
}
// The very client below the device SDK.
const mqtt: { connect(url: string, options: object): MqttClient } = createRequire(import.meta.url)('mqtt')

const path = '/$iothub/websocket?iothub-no-client-cert=true'

async function asCamera(t: TestContext, { door, tokenOf }: Awaited<ReturnType<typeof aHubSite>>) {
  const client = mqtt.connect(`wss://localhost:${door.port}${path}`, {
    clientId: 'edge-01/camera',
    username: 'hub.example/edge-01/camera/?api-version=2018-06-30',
    password: await tokenOf('camera'),
    reconnectPeriod: 0,
    wsOptions: { ca: authority.certificate }
  })
  t.after(() => new Promise<void>((resolve) => client.end(true, {}, resolve)))
  return client
}

function upgradeOf(port: number, headers: Record<string, string> = {}, tls = {}) {
  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'WebSocket',
    'sec-websocket-key': 'x',
    'sec-websocket-version': '13'
  }
  const options = { host: 'localhost', port, path, ca: authority.certificate, agent: false as const, ...tls }
  return request({ ...options, headers: { ...upgrade, ...headers } }).end()
}

test('a module speaks MQTT with edgeHub by WebSocket through the door, both ways', async (t) => {
  const site = await aHubSite(t)
  await site.hub.setDesired('camera', { speed: 'x'.repeat(70_000) })
  const client = await asCamera(t, site)
  await once(client, 'connect')

  for (const filter of ['$iothub/twin/res/#', '$iothub/methods/POST/#', '$iothub/twin/PATCH/properties/desired/#'])
    await new Promise<void>((resolve, reject) => client.subscribe(filter, (e) => (e ? reject(e) : resolve())))
  client.publish('$iothub/twin/GET/?$rid=1', '')
  const [topic, twin] = await once(client, 'message')
  client.on('message', (asked: string) => client.publish(`$iothub/methods/res/200/?${asked.split('?')[1]}`, '"done"'))
  const method = await site.hub.invoke('camera', 'focus', {})

  assert.match(topic, /^\$iothub\/twin\/res\/200\//)
  assert.equal(JSON.parse(String(twin)).desired.speed.length, 70_000)
  assert.deepEqual(method, { status: 200, payload: 'done' })
  assert.equal(site.web.requests[0]?.url, path)
  assert.equal(site.web.requests[0]?.headers.authorization, undefined)
})

test('a device with a certificate is spoken for at the upgrade, and a refusal comes whole', async (t) => {
  const { door, web, pump } = await aHubSite(t)
  const stranger = await authority.issue({ names: ['pump'] })

  const welcome = upgradeOf(door.port, { 'x-ms-edge-moduleid': 'pump' }, pump)
  const [switched, socket] = (await once(welcome, 'upgrade')) as [{ headers: Record<string, string> }, Socket]
  socket.destroy()
  const tls = { cert: stranger.certificate, key: stranger.privateKey }
  const [refusal] = await once(upgradeOf(door.port, { 'x-ms-edge-moduleid': 'pump' }, tls), 'response')

  assert.deepEqual([switched.headers.upgrade, switched.headers['sec-websocket-protocol']], ['websocket', 'mqtt'])
  assert.match(web.requests[0]?.headers.authorization ?? '', /^SharedAccessSignature /)
  assert.deepEqual([refusal.statusCode, await text(refusal)], [401, 'no!'])
})

test('the end of either side is the end of both', async (t) => {
  const site = await aHubSite(t)
  const first = await asCamera(t, site)
  await once(first, 'connect')
  const left = once(site.hub.events, 'disconnect')
  first.end(true, {}, () => undefined)
  assert.deepEqual(await left, ['camera'])

  const second = await asCamera(t, site)
  await once(second, 'connect')
  const closed = once(second, 'close')
  site.hub.cut('camera')
  await closed
})

test('a door that is told to stop does not wait for WebSocket, whose clients come again', async (t) => {
  const site = await aHubSite(t)
  const client = await asCamera(t, site)
  await once(client, 'connect')

  await Promise.all([once(client, 'close'), site.door.server.stop(new AbortController().signal)])
})

test('what comes with the head is not lost, and nothing but WebSocket at that path is passed on', async (t) => {
  const { door, web } = await aHubSite(t)
  const head = `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n`
  // A masked ping with an empty mask and a payload of two bytes.
  const ping = Buffer.from([0x89, 0x82, 0, 0, 0, 0, 1, 2])
  const socket = connect({ host: 'localhost', port: door.port, ca: authority.certificate })
  t.after(() => socket.destroy())

  socket.write(Buffer.concat([Buffer.from(head), ping]))
  let seen = Buffer.alloc(0)
  while (!seen.subarray(-4).equals(Buffer.from([0x8a, 2, 1, 2]))) seen = Buffer.concat([seen, await nextOf(socket)])
  const others = await Promise.all([
    askSecurely(door.port, '/v2/', { headers: { connection: 'upgrade', upgrade: 'websocket' } }),
    askSecurely(door.port, '/devices/x', { headers: { connection: 'upgrade', upgrade: 'h2c' } })
  ])

  assert.match(seen.toString('latin1'), /^HTTP\/1\.1 101 /)
  assert.deepEqual(
    others.map(({ status }) => status),
    [404, 401]
  )
  assert.equal(web.requests.at(-1)?.headers.upgrade, undefined)
})

test('where edgeHub is away the upgrade is answered 502, and a bad one 400', async (t) => {
  const { door, web } = await aHubSite(t)

  const [bad] = await once(upgradeOf(door.port, { 'transfer-encoding': 'chunked' }), 'response')
  assert.equal(bad.statusCode, 400)
  await web.stop()
  const [away] = await once(upgradeOf(door.port), 'response')

  assert.equal(away.statusCode, 502)
  assert.match(await text(away), /edgeHub is not reachable/)
})

async function nextOf(socket: TLSSocket): Promise<Buffer> {
  const [chunk] = await once(socket, 'data')
  return chunk
}
