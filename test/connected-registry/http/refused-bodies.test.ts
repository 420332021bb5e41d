import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setImmediate as immediate } from 'node:timers/promises'
import { discardBody } from '../../../modules/connected-registry/src/http/request-body.ts'
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

test('who goes on sending what was refused is not cut off before it had time to read why', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let isOver = false
  const server = createServer(async (asked, answer) => {
    answer.writeHead(403, { 'content-length': 6 }).write('denied')
    await discardBody(asked, { bytes: 1_000, milliseconds: 1_000 })
    isOver = true
    answer.end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => server.close())
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.after(() => socket.destroy())

  socket.write(`PATCH / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${2 ** 30}\r\n\r\n`)
  socket.write(Buffer.alloc(100_000))
  await once(
    socket.on('error', () => undefined),
    'data'
  )
  for (let turn = 0; turn < 20; turn++) await immediate()
  const wasOver = isOver
  t.mock.timers.tick(1_000)
  for (let turn = 0; turn < 5; turn++) await immediate()

  assert.deepEqual({ wasOver, isOver }, { wasOver: false, isOver: true })
})
