import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anEdgeDevice, connectionOf, moduleId } from './edge-device.ts'

const message = (id: string) => ({ id, body: JSON.stringify({ id, name: 'a/b&c=d' }) })

test('what is sent to an output arrives in order, as JSON that routes of IoT Hub can look into', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  const client = device.client()
  await connectionOf(client).first((connected) => connected, signal)

  await Promise.all(['1', '2', '3'].map((id) => client.send('out/put', message(id))))

  const contentType = 'application/json'
  assert.deepEqual(
    hub.messages,
    ['1', '2', '3'].map((id) => ({
      ...{ module: moduleId, output: 'out/put', contentType, contentEncoding: 'utf-8' },
      ...{ messageId: id, body: message(id).body }
    }))
  )
})

test('a message that is not acknowledged is not taken for sent, and the next connection takes it', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  const client = device.client()
  const connection = connectionOf(client)
  await connection.first((connected) => connected, signal)
  hub.faults.messages = 'loseAnswer'

  await assert.rejects(client.send('out', message('1')), /no answer within/)
  hub.faults.messages = undefined
  await connection.first(() => connection.values.filter(Boolean).length === 2, signal)
  await client.send('out', message('1'))

  assert.deepEqual(
    hub.messages.map(({ messageId }) => messageId),
    ['1', '1']
  )
})

test('without a connection a message is refused at once', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  const client = device.client()
  const connection = connectionOf(client)
  await assert.rejects(client.send('out', message('0')), /no connection/)
  await connection.first((connected) => connected, signal)

  await hub.stop()
  await connection.first((connected) => !connected, signal)

  await assert.rejects(client.send('out', message('1')), /no connection/)
  assert.deepEqual(hub.messages, [])
})

test('a line that breaks while a message is under way ends the wait for it', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  const client = device.client({ timings: { requestMs: 60_000 } })
  await connectionOf(client).first((connected) => connected, signal)
  hub.faults.messages = 'loseAnswer'
  const sent = assert.rejects(client.send('out', message('1')))
  await hub.sent(1, signal)

  hub.cut(moduleId)

  await sent
})
