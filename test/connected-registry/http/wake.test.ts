import assert from 'node:assert/strict'
import { once } from 'node:events'
import test, { type TestContext } from 'node:test'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { beginUpload, openSocket, rawHead, serveWritable } from './pushing.ts'
import { basic } from './served-registry.ts'

const writer = basic('writer')
const token = '/acr/oauth2/token?service=registry&scope=repository:app/web'

/** `woken`: how often the store was told that a change is about to come; `next` resolves when it is told again. */
async function aWatchedRegistry(t: TestContext) {
  const events = new EventTarget()
  const watched = { woken: 0, next: () => once(events, 'woken') }
  const served = await serveWritable(t, {
    registry: (registry) => ({
      ...registry,
      wake() {
        watched.woken++
        events.dispatchEvent(new Event('woken'))
      }
    })
  })
  await served.hold('app/web', anImage(), 'v1')
  return { served, watched }
}

test('the store gets ready for a change while its body is still to come', async (t) => {
  const { served, watched } = await aWatchedRegistry(t)
  const location = await beginUpload(served)
  const socket = await openSocket(t, served.port)

  for (const [method, path] of [
    ['PUT', '/v2/app/web/manifests/v2'],
    ['PATCH', location],
    ['PUT', `${location}?digest=${digestOf(Buffer.from('x'))}`]
  ] as const) {
    const woken = watched.next()
    socket.write(rawHead(method, path, { 'Content-Type': 'text/plain', 'Content-Length': 1 }))
    await woken
    socket.write('x')
    await once(socket, 'data')
  }
})

test('who may push has the store ready when the access token comes', async (t) => {
  const { served, watched } = await aWatchedRegistry(t)

  await served.send('GET', `${token}:pull,push`, writer)

  assert.equal(watched.woken, 1)
})

test('reading wakes nothing, and a push that is refused neither', async (t) => {
  const { served, watched } = await aWatchedRegistry(t)

  await served.send('GET', '/v2/app/web/manifests/v1', writer)
  await served.send('GET', '/v2/app/web/blobs/uploads/unknown', writer)
  await served.send('GET', `${token}:pull`, writer)
  await served.send('GET', `${token}:pull,push`, basic('writer', 'wrong'))
  await served.send('GET', `${token}:pull,push`, basic('reader'))
  await served.send('GET', `${token}:pull,metadata_read`, writer)
  await served.send('PUT', '/v2/app/web/manifests/v2', basic('reader'), Buffer.from('{}'))
  served.settings.mode = 'ReadOnly'
  await served.send('PUT', '/v2/app/web/manifests/v2', writer, Buffer.from('{}'))
  await served.send('GET', `${token}:pull,push`, writer)

  assert.equal(watched.woken, 0)
})
