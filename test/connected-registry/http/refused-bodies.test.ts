import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { basic, serveRegistry } from './served-registry.ts'

test('a small body that is refused is heard out before the answer, as containerd needs it', async (t) => {
  const served = await serveRegistry(t)
  const socket = connect(served.port, '127.0.0.1')
  t.after(() => socket.destroy())
  const head = ['PUT /v2/app/web/manifests/v1 HTTP/1.1', 'Host: x', `Authorization: ${basic('writer').authorization}`]

  socket.write([...head, 'Content-Length: 10', '', '01234'].join('\r\n'))
  await once(socket, 'connect')
  // Whoever asks later waits in the same line: what was to be said at once to the first has been said by then.
  for (const _ of [1, 2]) await served.send('GET', '/v2/', basic('writer'))
  const before = socket.readableLength
  socket.write('56789')

  assert.equal(before, 0)
  assert.match(await text(socket), /^HTTP\/1\.1 403 .*This operation is not allowed on this registry/s)
})

test('a large body that is refused is answered at once', async (t) => {
  const served = await serveRegistry(t)
  const socket = connect(served.port, '127.0.0.1')
  t.after(() => socket.destroy())
  const head = ['PUT /v2/app/web/manifests/v1 HTTP/1.1', 'Host: x', `Authorization: ${basic('writer').authorization}`]

  socket.write([...head, `Content-Length: ${2 ** 30}`, '', '01234'].join('\r\n'))
  const [answer] = (await once(socket, 'data')) as [Buffer]

  assert.match(answer.toString(), /^HTTP\/1\.1 403 /)
})
