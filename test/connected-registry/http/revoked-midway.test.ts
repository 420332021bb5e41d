import assert from 'node:assert/strict'
import { connect } from 'node:net'
import test, { type TestContext } from 'node:test'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { beginUpload, serveWritable } from './pushing.ts'
import { basic, bearerHeader, type ServedRegistry } from './served-registry.ts'

const index = '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
const digest = digestOf(Buffer.from(index))

/** Half of a request, then the token goes once it has been let in, then the other half: the answer's head. */
async function pushWhileRevoked(served: ServedRegistry, head: readonly string[]): Promise<string> {
  const letIn = Promise.withResolvers<void>()
  let tokens = served.settings.tokens
  const socket = connect(served.port, '127.0.0.1')
  Object.defineProperty(served.settings, 'tokens', {
    configurable: true,
    get() {
      letIn.resolve()
      return tokens
    }
  })
  socket.write(`${[...head, 'Host: x', `Content-Length: ${index.length}`].join('\r\n')}\r\n\r\n${index.slice(0, 20)}`)
  await letIn.promise
  tokens = []
  socket.write(index.slice(20))
  let received = ''
  for await (const part of socket) {
    received += part
    if (received.includes('}]}') || received.includes('201')) break
  }
  socket.destroy()
  return received.split('\r\n')[0]!
}

async function aPusher(t: TestContext) {
  const served = await serveWritable(t)
  const clients = [basic('writer'), bearerHeader(await served.bearer('repository:app/web:pull,push', 'writer'))]
  const before = served.settings.tokens
  const restore = () => Object.defineProperty(served.settings, 'tokens', { value: before, writable: true })
  return { served, clients, restore }
}

test('a manifest whose token is revoked while it comes is not taken', async (t) => {
  const { served, clients, restore } = await aPusher(t)

  for (const { authorization } of clients) {
    const status = await pushWhileRevoked(served, [
      'PUT /v2/app/web/manifests/v1 HTTP/1.1',
      `Authorization: ${authorization}`,
      'Content-Type: application/vnd.oci.image.index.v1+json'
    ])
    restore()

    assert.equal(status, 'HTTP/1.1 401 Unauthorized')
    assert.equal((await served.send('GET', '/v2/app/web/manifests/v1', basic())).status, 404)
  }
})

test('a blob whose token is revoked while it comes does not become one', async (t) => {
  const { served, clients, restore } = await aPusher(t)

  for (const { authorization } of clients) {
    const path = await beginUpload(served)
    for (const line of [`PUT ${path}?digest=${digest}`, `POST /v2/app/web/blobs/uploads/?digest=${digest}`]) {
      const status = await pushWhileRevoked(served, [`${line} HTTP/1.1`, `Authorization: ${authorization}`])
      restore()

      assert.equal(status, 'HTTP/1.1 401 Unauthorized', line)
      assert.equal((await served.send('HEAD', `/v2/app/web/blobs/${digest}`, basic())).status, 404)
    }
  }
})
