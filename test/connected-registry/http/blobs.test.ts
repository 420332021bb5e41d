import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import test from 'node:test'
import fc from 'fast-check'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import type { Registry } from '../../../modules/connected-registry/src/registry/registry.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { basic, bearerHeader, type ServedRegistry, serveRegistry } from './served-registry.ts'

async function serveBlob(
  t: Parameters<typeof serveRegistry>[0],
  size: number,
  wrap?: (registry: Registry) => Registry
) {
  const served = await serveRegistry(t, { registry: wrap })
  const image = anImage({ layerSize: size })
  await served.hold('app/web', image, 'v1')
  const [digest, bytes] = [...image.blobs].at(-1)!
  return { served, digest, bytes: Buffer.from(bytes), path: `/v2/app/web/blobs/${digest}` }
}

test('a blob is served whole, and HEAD has the headers of GET', async (t) => {
  const { served, digest, bytes, path } = await serveBlob(t, 3 * 2 ** 20 + 17)

  const get = await served.send('GET', path, basic())
  const head = await served.send('HEAD', path, { ...basic(), range: 'bytes=0-9' })

  assert.equal(get.status, 200)
  assert.equal(digestOf(get.bytes), digest)
  assert.equal(get.headers['content-length'], String(bytes.length))
  assert.equal(get.headers['content-type'], 'application/octet-stream')
  assert.equal(get.headers['accept-ranges'], 'bytes')
  assert.equal(get.headers['docker-content-digest'], digest)
  assert.equal(get.headers.etag, `"${digest}"`)
  assert.equal(head.status, 200)
  assert.equal(head.bytes.length, 0)
  assert.deepEqual({ ...head.headers, date: '' }, { ...get.headers, date: '' })
})

test('a range is the slice it names, whatever the range', async (t) => {
  const { served, bytes, path } = await serveBlob(t, 2 ** 17)
  const authorization = bearerHeader(await served.bearer('repository:app/web:pull'))
  const offset = fc.oneof(fc.nat(bytes.length + 10), fc.constant(bytes.length - 1), fc.constant(0))

  await fc.assert(
    fc.asyncProperty(fc.option(offset), fc.option(offset), async (first, last) => {
      const range = `bytes=${first ?? ''}-${last ?? ''}`
      const answer = await served.send('GET', path, { ...authorization, range })
      const expected = expectedSlice(bytes, first, last)

      assert.equal(answer.status, expected.status, range)
      assert.equal(answer.headers['content-range'], expected.contentRange, range)
      if (expected.slice) assert.ok(expected.slice.equals(answer.bytes), range)
    }),
    { numRuns: 60 }
  )
})

// RFC 9110, section 14: written from the text again, as the oracle.
function expectedSlice(bytes: Buffer, first: number | null, last: number | null) {
  const size = bytes.length
  if (first === null && last === null) return { status: 200, contentRange: undefined, slice: bytes }
  const from = first ?? Math.max(0, size - last!)
  const to = first === null ? size - 1 : Math.min(last ?? size - 1, size - 1)
  if (from >= size || from > to) return { status: 416, contentRange: `bytes */${size}` }
  return { status: 206, contentRange: `bytes ${from}-${to}/${size}`, slice: bytes.subarray(from, to + 1) }
}

test('a range goes on only where it began: If-Range, and no more than one range', async (t) => {
  const { served, digest, bytes, path } = await serveBlob(t, 5000)
  const range = 'bytes=10-19'
  const cases = [
    [{ range, 'if-range': `"${digest}"` }, 206, 10],
    [{ range, 'if-range': '"something else"' }, 200, bytes.length],
    [{ range: 'bytes=0-1,5-6' }, 200, bytes.length],
    [{ range: 'lines=1-2' }, 200, bytes.length]
  ] as const

  for (const [headers, status, length] of cases) {
    const answer = await served.send('GET', path, { ...basic(), ...headers })

    assert.deepEqual([answer.status, answer.bytes.length], [status, length])
  }
})

test('a client that has the blob is told so, but not of a blob that is elsewhere', async (t) => {
  const { served, digest, path } = await serveBlob(t, 100)
  const headers = { ...basic(), 'if-none-match': `"${digest}"` }

  assert.equal((await served.send('GET', path, headers)).status, 304)
  assert.equal((await served.send('HEAD', path, headers)).status, 304)
  assert.equal((await served.send('GET', `/v2/app/other/blobs/${digest}`, headers)).status, 404)
})

test('a blob that is not here is unknown, and a broken digest invalid', async (t) => {
  const { served } = await serveBlob(t, 100)
  const absent = `/v2/app/web/blobs/sha256:${'0'.repeat(64)}`
  const range = { range: 'bytes=0-1' }

  const unknown = await served.send('GET', absent, basic())
  const unknownPart = await served.send('GET', absent, { ...basic(), ...range })
  const broken = await served.send('GET', '/v2/app/web/blobs/sha256:zz', basic())

  assert.deepEqual([unknown.status, unknown.code], [404, 'BLOB_UNKNOWN'])
  assert.deepEqual([unknownPart.status, unknownPart.code], [404, 'BLOB_UNKNOWN'])
  assert.deepEqual([broken.status, broken.code], [400, 'DIGEST_INVALID'])
})

/** Knows how many readers are open, and whoever waits for the last one to be closed. */
function countReaders() {
  let open = 0
  let opened = 0
  let { promise: closed, resolve } = Promise.withResolvers<void>()
  const watch = (registry: Registry): Registry => ({
    ...registry,
    blobs: {
      ...registry.blobs,
      async open(repository, digest, range) {
        const reader = await registry.blobs.open(repository, digest, range)
        if (!reader) return undefined
        open += 1
        opened += 1
        return {
          size: reader.size,
          read: (into) => reader.read(into),
          async close() {
            await reader.close()
            open -= 1
            if (open === 0) resolve()
          }
        }
      }
    }
  })
  return {
    watch,
    opened: () => opened,
    open: () => open,
    whenClosed: async () => {
      if (open > 0 || opened === 0) await closed
      ;({ promise: closed, resolve } = Promise.withResolvers<void>())
    }
  }
}

function openSocket(served: ServedRegistry, path: string) {
  const socket = connect(served.port, '127.0.0.1')
  socket.on('error', () => {})
  const ask = `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic().authorization}\r\n\r\n`
  return { socket, ask }
}

test('a client that leaves in the middle leaves nothing open, and is no failure', async (t) => {
  const readers = countReaders()
  const { served, path } = await serveBlob(t, 32 * 2 ** 20, readers.watch)
  const { socket, ask } = openSocket(served, path)

  socket.write(ask)
  await once(socket, 'data')
  socket.destroy()
  await readers.whenClosed()

  assert.equal(readers.opened(), 1)
  assert.doesNotMatch(served.log(), /"level":"error"/)
})

test('requests sent ahead wait for their turn without a file or a buffer', async (t) => {
  const readers = countReaders()
  const { served, path } = await serveBlob(t, 32 * 2 ** 20, readers.watch)
  const { socket, ask } = openSocket(served, path)
  await served.send('GET', path, { ...basic(), range: 'bytes=0-0' })
  await readers.whenClosed()

  socket.write(ask.repeat(8))
  await once(socket, 'data')
  assert.equal(readers.open(), 1)
  socket.destroy()
  await readers.whenClosed()

  assert.equal(readers.opened(), 2)
})

test('of requests sent ahead nothing is read before its turn, whatever is asked for', async (t) => {
  let reads = 0
  const served = await serveRegistry(t, {
    registry: (registry) => ({
      ...registry,
      manifests: {
        ...registry.manifests,
        get: (...asked) => {
          reads += 1
          return registry.manifests.get(...asked)
        }
      }
    })
  })
  // Larger than what a socket takes from a server whose client does not read.
  const large = anImage({ annotations: { note: 'x'.repeat(3.5 * 2 ** 20) } })
  await served.hold('app/web', large, 'v1')
  await served.send('HEAD', '/v2/app/web/manifests/v1', basic())
  const { socket, ask } = openSocket(served, '/v2/app/web/manifests/v1')
  socket.pause()

  socket.write(ask.repeat(200))
  await once(socket, 'readable')
  for (const _ of [1, 2]) await served.send('HEAD', '/v2/app/web/manifests/v1', basic())

  assert.ok(reads <= 8, `${reads} manifests were read`)
  socket.destroy()
})

test('a blob that cannot be read to its end is cut short, never completed', async (t) => {
  const broken = (registry: Registry): Registry => ({
    ...registry,
    blobs: {
      ...registry.blobs,
      async open(repository, digest, range) {
        const reader = await registry.blobs.open(repository, digest, range)
        let reads = 0
        const read = async (into: Uint8Array) => {
          reads += 1
          if (reads > 2) throw new Error('input/output error of the disk below')
          return reader!.read(into)
        }
        return reader && { size: reader.size, read, close: () => reader.close() }
      }
    }
  })
  const { served, path } = await serveBlob(t, 8 * 2 ** 20, broken)

  await assert.rejects(served.send('GET', path, basic()), { code: 'ECONNRESET' })
  assert.match(served.log(), /input\/output error/)
})
