import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { bytes, content, layer, ranged, whole } from './a-layer.ts'
import { bytesOf, openParent } from './parent-rig.ts'
import { endless, failing, inTurn, scriptedServer } from './scripted-server.ts'

test('a blob comes whole', async (t) => {
  const server = await scriptedServer(t, whole)
  const { parent, signal } = openParent(t, server.host)

  const blob = await parent.repository('team/app').blob(layer, 0, signal)

  assert.equal(blob.start, 0)
  assert.deepEqual(await bytesOf(blob.bytes), content)
  assert.equal(server.asked[0]?.target, `/v2/team/app/blobs/${layer.digest}`)
  assert.equal(server.asked[0]?.headers.range, undefined)
})

test('a blob goes on where it stopped', async (t) => {
  const server = await scriptedServer(t, ranged)
  const { parent, signal } = openParent(t, server.host)

  const blob = await parent.repository('app').blob(layer, 9, signal)

  assert.equal(blob.start, 9)
  assert.deepEqual(await bytesOf(blob.bytes), content.subarray(9))
})

test('a parent that cannot skip says so by its start', async (t) => {
  const server = await scriptedServer(t, whole)
  const { parent, signal } = openParent(t, server.host)

  const blob = await parent.repository('app').blob(layer, 9, signal)

  assert.equal(blob.start, 0)
  assert.deepEqual(await bytesOf(blob.bytes), content)
})

test('a parent that refuses the range is asked for the whole blob', async (t) => {
  const server = await scriptedServer(t, inTurn(bytes(Buffer.alloc(0), {}, 416), whole))
  const { parent, signal } = openParent(t, server.host)

  const blob = await parent.repository('app').blob(layer, 9, signal)

  assert.equal(blob.start, 0)
  assert.deepEqual(await bytesOf(blob.bytes), content)
  assert.equal(server.asked[1]?.headers.range, undefined)
})

test('a blob that is here already is not asked for', async (t) => {
  const server = await scriptedServer(t, whole)
  const { parent, signal } = openParent(t, server.host)

  const blob = await parent.repository('app').blob(layer, layer.size, signal)

  assert.deepEqual(await bytesOf(blob.bytes), Buffer.alloc(0))
  assert.deepEqual(server.asked, [])
})

const wrongRanges: Readonly<Record<string, string | undefined>> = {
  'begins elsewhere': `bytes 8-${content.length - 1}/${content.length}`,
  'ends behind the blob': `bytes 9-${content.length}/${content.length + 1}`,
  'is of another size': `bytes 9-${content.length - 1}/99`,
  'is no range': 'bytes 9-/30',
  'is missing': undefined
}

for (const [name, range] of Object.entries(wrongRanges)) {
  test(`a Content-Range that ${name} is a bad answer`, async (t) => {
    const server = await scriptedServer(t, bytes(content.subarray(9), range ? { 'content-range': range } : {}, 206))
    const { parent, signal } = openParent(t, server.host)

    await assert.rejects(parent.repository('app').blob(layer, 9, signal), { code: 'BAD_ANSWER' })
  })
}

test('an encoded blob is refused, for its digest is of other bytes', async (t) => {
  const server = await scriptedServer(t, bytes(content, { 'content-encoding': 'gzip' }))
  const { parent, signal } = openParent(t, server.host)

  await assert.rejects(parent.repository('app').blob(layer, 0, signal), { code: 'BAD_ANSWER' })
})

test('a blob of another length is refused before its bytes', async (t) => {
  const server = await scriptedServer(t, bytes(content, { 'content-length': content.length }))
  const { parent, signal } = openParent(t, server.host)
  const app = parent.repository('app')

  await assert.rejects(app.blob({ ...layer, size: content.length - 1 }, 0, signal), { code: 'BAD_ANSWER' })
  await assert.rejects(app.blob({ ...layer, size: content.length + 1 }, 0, signal), { code: 'BAD_ANSWER' })
})

test('a stream without a length ends at the size of the blob', async (t) => {
  const server = await scriptedServer(t, endless(content))
  const { parent, signal } = openParent(t, server.host)

  const blob = await parent.repository('app').blob(layer, 0, signal)

  await assert.rejects(bytesOf(blob.bytes), { code: 'BAD_ANSWER' })
})

const shortAnswers: Readonly<Record<string, (response: ServerResponse) => void>> = {
  'ends too early': (response) =>
    response.writeHead(200, { 'transfer-encoding': 'chunked' }).end(content.subarray(0, 7)),
  'is cut': (response) => response.write(content.subarray(0, 7), () => response.destroy())
}

for (const [name, answer] of Object.entries(shortAnswers)) {
  test(`a blob that ${name} gives the bytes it had, then a retryable error`, async (t) => {
    const server = await scriptedServer(t, (_, response) => answer(response))
    const { parent, signal } = openParent(t, server.host)
    const received: Buffer[] = []

    const blob = await parent.repository('app').blob(layer, 0, signal)
    const reading = async () => {
      for await (const chunk of blob.bytes) received.push(Buffer.from(chunk))
    }

    await assert.rejects(reading(), { code: 'INTERRUPTED', retryable: true })
    assert.deepEqual(Buffer.concat(received), content.subarray(0, 7))
  })
}

test('a blob that stalls is left after the idle time-out', async (t) => {
  const server = await scriptedServer(t, (_, response) => void response.write(content.subarray(0, 7)))
  const { parent, signal } = openParent(t, server.host, { timeouts: { idleMs: 50 } })

  const blob = await parent.repository('app').blob(layer, 0, signal)

  await assert.rejects(bytesOf(blob.bytes), { code: 'TIMEOUT', retryable: true })
})

test('a blob ends with its signal', async (t) => {
  const server = await scriptedServer(t, (_, response) => void response.write(content.subarray(0, 7)))
  const { parent } = openParent(t, server.host)
  const controller = new AbortController()

  const blob = await parent.repository('app').blob(layer, 0, controller.signal)
  const reading = async () => {
    for await (const _ of blob.bytes) controller.abort(new Error('the window closed'))
  }

  await assert.rejects(reading(), { message: 'the window closed' })
})

test('a blob that is closed unread ends its connection', async (t) => {
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  const server = await scriptedServer(t, (_, response) => {
    response.on('close', resolve)
    response.write(content.subarray(0, 7))
  })
  const { parent, signal } = openParent(t, server.host)
  const blob = await parent.repository('app').blob(layer, 0, signal)

  blob.close?.()

  await closed
})

test('a blob that is closed after its end leaves its connection to the next', async (t) => {
  const sockets = new Set<unknown>()
  const server = await scriptedServer(t, (request, response) => {
    sockets.add(request.socket)
    whole(request, response)
  })
  const { parent, signal } = openParent(t, server.host)

  for (let times = 0; times < 10; times++) {
    const blob = await parent.repository('app').blob(layer, 0, signal)
    await bytesOf(blob.bytes)
    blob.close?.()
  }

  // The client may begin a second one while the first is only just free.
  assert.ok(sockets.size <= 2, `${sockets.size} connections`)
})

test('a missing blob is NOT_FOUND in the words of the parent', async (t) => {
  const server = await scriptedServer(t, failing(404, 'BLOB_UNKNOWN'))
  const { parent, signal } = openParent(t, server.host)

  await assert.rejects(parent.repository('app').blob(layer, 0, signal), {
    code: 'NOT_FOUND',
    parentCode: 'BLOB_UNKNOWN'
  })
})
