import assert from 'node:assert/strict'
import { request } from 'node:http'
import { type TestContext, test } from 'node:test'
import { digestOf } from '../../modules/connected-registry/src/protocol/digest.ts'
import { anImage } from '../fixtures/image-builder.ts'
import { aClient, aCloud, reader } from './cloud-client.ts'
import { type Fault, serverError, throttled } from './cloud-registry/faults.ts'

const scope = 'repository:demo/app:pull'

/** A registry with one image whose blobs come from the login server, and a client of it. */
async function aFaultyCloud(t: TestContext) {
  const cloud = await aCloud(t, { redirectBlobs: false })
  const image = anImage({ layerSize: 100_000 })
  cloud.contents.put('demo/app', image, '1')
  const [digest, bytes] = [...image.blobs][1]!
  const client = aClient(cloud, reader, scope)
  const blob = (options?: RequestInit) => client(`/v2/demo/app/blobs/${digest}`, options)
  const strike = (fault: Fault, times?: number) => cloud.faults.add({ route: 'blob' }, fault, { times })
  return { cloud, image, digest, bytes: Buffer.from(bytes), client, blob, strike }
}

async function received(answer: Response): Promise<{ bytes: Buffer; failed: boolean }> {
  const chunks: Uint8Array[] = []
  try {
    for await (const chunk of answer.body ?? []) chunks.push(chunk)
    return { bytes: Buffer.concat(chunks), failed: false }
  } catch {
    return { bytes: Buffer.concat(chunks), failed: true }
  }
}

test('a hanging request is taken and not answered until the client leaves', async (t) => {
  const { cloud, blob, strike } = await aFaultyCloud(t)
  strike({ kind: 'hang' })
  const leaving = new AbortController()

  const answer = blob({ signal: leaving.signal })
  const { status } = await cloud.nextRequest({ route: 'blob' })
  leaving.abort()

  assert.equal(status, undefined)
  await assert.rejects(answer, { name: 'AbortError' })
})

test('a hang that is released ends in the answer', async (t) => {
  const { cloud, blob, bytes, strike } = await aFaultyCloud(t)
  for (const afterBytes of [undefined, 0, 5000]) {
    const { promise, resolve } = Promise.withResolvers<void>()
    strike({ kind: 'hang', until: promise, afterBytes }, 1)
    const coming = cloud.nextRequest({ route: 'blob' })

    const answer = blob()
    await coming
    resolve()

    assert.deepEqual(await received(await answer), { bytes, failed: false })
  }
})

test('a hang behind the headers, or within the body, comes after what it lets through', async (t) => {
  const { blob, bytes, strike } = await aFaultyCloud(t)
  for (const afterBytes of [0, 5000]) {
    strike({ kind: 'hang', afterBytes }, 1)
    const leaving = new AbortController()

    const answer = await blob({ signal: leaving.signal })
    const reading = answer.body!.getReader()
    const chunks: Uint8Array[] = []
    while (Buffer.concat(chunks).length < afterBytes)
      chunks.push((await reading.read()).value ?? assert.fail('it ended'))
    const silence = reading.read()
    leaving.abort()

    assert.equal(answer.status, 200)
    assert.deepEqual(Buffer.concat(chunks), bytes.subarray(0, afterBytes))
    await assert.rejects(silence, { name: 'AbortError' })
  }
})

test('a cut lets exactly the bytes through that come before it, and only as often as asked', async (t) => {
  const { blob, bytes, strike } = await aFaultyCloud(t)
  for (const afterBytes of [0, 1, 70_000]) {
    strike({ kind: 'cut', afterBytes }, 1)

    assert.deepEqual(await received(await blob()), { bytes: bytes.subarray(0, afterBytes), failed: true })
    assert.deepEqual(await received(await blob()), { bytes, failed: false })
  }
})

test('a cut before anything has no effect and no answer', async (t) => {
  const { cloud, blob, strike } = await aFaultyCloud(t)
  const rule = strike({ kind: 'cut' })

  await assert.rejects(blob())

  assert.ok(rule.struck >= 1)
  assert.equal(cloud.requests.at(-1)?.status, undefined)
  rule.remove()
  assert.equal((await blob()).status, 200)
})

test('wrong bytes have the right length, another body another digest under the same header', async (t) => {
  const { blob, bytes, client, cloud, image, strike } = await aFaultyCloud(t)
  strike({ kind: 'wrong-bytes' }, 1)
  strike({ kind: 'wrong-bytes', at: 0 }, 1)
  for (const at of [bytes.length / 2, 0].map(Math.floor)) {
    const wrong = Buffer.from(await (await blob()).arrayBuffer())
    assert.equal(wrong.length, bytes.length)
    assert.deepEqual(
      [...wrong.keys()].filter((index) => wrong[index] !== bytes[index]),
      [at]
    )
  }

  cloud.faults.add({ route: 'manifest' }, { kind: 'other-body' })
  const manifest = await client('/v2/demo/app/manifests/1')
  const { digest } = image.manifest.descriptor
  assert.equal(manifest.headers.get('docker-content-digest'), digest)
  const body = await manifest.text()
  assert.notEqual(digestOf(Buffer.from(body)), digest)
  assert.deepEqual(JSON.parse(body), JSON.parse(Buffer.from(image.manifest.bytes).toString()))
})

test('a wrong digest header leaves the body as it is', async (t) => {
  const { blob, bytes, digest, strike } = await aFaultyCloud(t)
  strike({ kind: 'wrong-digest-header' })

  const answer = await blob()

  assert.match(answer.headers.get('docker-content-digest') ?? '', /^sha256:[a-f0-9]{64}$/)
  assert.notEqual(answer.headers.get('docker-content-digest'), digest)
  assert.deepEqual(await received(answer), { bytes, failed: false })
})

test('server errors and throttling are answered in place of the true answer', async (t) => {
  const { cloud, client, blob, strike } = await aFaultyCloud(t)
  strike(serverError(502), 1)
  strike(throttled(7), 1)

  const [failed, refused, last] = [await blob(), await blob(), await blob()]

  assert.deepEqual([failed.status, refused.status, last.status], [502, 429, 200])
  assert.equal(refused.headers.get('retry-after'), '7')
  assert.match(await refused.text(), /"TOOMANYREQUESTS"/)
  cloud.faults.add({ method: 'GET', path: /manifests\/1$/ }, { kind: 'answer', status: 418 })
  assert.equal((await client('/v2/demo/app/manifests/1')).status, 418)
  assert.equal((await client('/v2/demo/app/manifests/1', { method: 'HEAD' })).status, 200)
  cloud.faults.clear()
  assert.equal((await client('/v2/demo/app/manifests/1')).status, 200)
})

test('an expired link is refused by the data endpoint, and the next one is good', async (t) => {
  const cloud = await aCloud(t)
  const image = anImage()
  cloud.contents.put('demo/app', image, '1')
  const client = aClient(cloud, reader, scope)
  const link = async () => (await client(`/v2/demo/app/blobs/${[...image.blobs.keys()][0]}`)).headers.get('location')!
  cloud.faults.add({ route: 'blob' }, { kind: 'expired-link' }, { times: 1 })

  assert.equal((await fetch(await link())).status, 403)
  assert.equal((await fetch(await link())).status, 200)
})

test('a slow answer comes little by little, and whole', async (t) => {
  const { bytes, strike, blob } = await aFaultyCloud(t)
  strike({ kind: 'slow', bytesPerSecond: 2 }, 1)
  strike({ kind: 'slow', bytesPerSecond: 1_000_000 }, 1)
  const leaving = new AbortController()

  const slow = await blob({ signal: leaving.signal })
  const { value = Buffer.alloc(0) } = await slow.body!.getReader().read()
  leaving.abort()
  const quicker = await blob()

  assert.ok(value.length > 0 && value.length < 10)
  assert.equal(slow.headers.get('content-length'), String(bytes.length))
  assert.deepEqual(await received(quicker), { bytes, failed: false })
})

test('a registry that stops ends what hangs', async (t) => {
  const { cloud, strike, blob } = await aFaultyCloud(t)
  strike({ kind: 'hang', afterBytes: 10 })

  const answer = await blob()
  await cloud.stop()

  assert.equal((await received(answer)).failed, true)
})

test('a path that is no path ends its own connection only', async (t) => {
  const { cloud, blob } = await aFaultyCloud(t)
  const { promise, resolve } = Promise.withResolvers<unknown>()
  const strange = request({ host: '127.0.0.1', port: cloud.loginServer.split(':')[1], path: '//[/v2/%zz' })

  strange
    .on('response', (answer) => resolve(answer.resume().statusCode))
    .on('error', resolve)
    .end()

  assert.equal(await promise, 404)
  assert.equal((await blob()).status, 200)
})
