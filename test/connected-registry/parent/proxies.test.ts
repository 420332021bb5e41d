import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { readBody } from '../../../modules/connected-registry/src/parent/answer.ts'
import { proxyFor, readProxies } from '../../../modules/connected-registry/src/parent/proxies.ts'
import { openDispatcher } from './parent-rig.ts'
import { json, scriptedServer, selfSigned } from './scripted-server.ts'

/** A proxy that leads everybody to wherever they want, or answers with `status`. */
async function aProxy(t: TestContext, status = 200) {
  const asked: { readonly target: string; readonly authorization: string | undefined }[] = []
  const server = createServer((_, response) => response.writeHead(400).end())
  server.on('connect', ({ url = '', headers }, socket) => {
    asked.push({ target: url, authorization: headers['proxy-authorization'] })
    socket.on('error', () => {})
    if (status !== 200) return socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`)
    const onward = connect(Number(url.split(':').at(-1)), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      onward.pipe(socket).pipe(onward)
    })
    onward.on('error', () => socket.destroy())
    socket.on('close', () => onward.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => void server.close())
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

const get = (url: string, signal: AbortSignal) =>
  ({ operation: 'ping', method: 'GET', url: new URL(url), signal }) as const

test('a parent is reached through the proxy, by name and with its credentials', async (t) => {
  const server = await scriptedServer(t, json(200, 'here'), { name: 'parent.example' })
  const proxy = await aProxy(t)
  const proxies = readProxies({ HTTP_PROXY: `http://site:p%40ss@${proxy.host}` })
  const dispatcher = openDispatcher(t, { proxies })

  const body = await dispatcher.request(get(server.url, t.signal), (answer) => readBody(answer, 100))

  assert.equal(Buffer.from(body).toString(), '"here"')
  const authorization = `Basic ${Buffer.from('site:p@ss').toString('base64')}`
  assert.deepEqual(proxy.asked, [{ target: server.host, authorization }])
  assert.ok(dispatcher.traffic().receivedBytes > 6)
})

test('TLS goes through the proxy from end to end, and is verified', async (t) => {
  const certificate = await selfSigned(t)
  const server = await scriptedServer(t, json(200, 'here'), { certificate, name: 'localhost' })
  const proxy = await aProxy(t)
  const proxies = readProxies({ https_proxy: proxy.host })
  const trusting = openDispatcher(t, { proxies, certificateAuthorities: [certificate.cert.toString()] })
  trusting.know('localhost')

  assert.equal(await trusting.request(get(server.url, t.signal), async (answer) => answer.status), 200)

  const doubting = openDispatcher(t, { proxies })
  await assert.rejects(
    doubting.request(get(server.url, t.signal), async () => {}),
    { code: 'UNTRUSTED' }
  )
  assert.equal(proxy.asked.length, 2)
})

test('a proxy that refuses is told of by its status, and its password by nobody', async (t) => {
  const proxy = await aProxy(t, 407)
  const proxies = readProxies({ HTTP_PROXY: `http://site:planted-secret@${proxy.host}` })
  const dispatcher = openDispatcher(t, { proxies, retry: { retries: 0 } })

  const refused = dispatcher.request(get('http://parent.example/v2/', t.signal), async () => {})

  await assert.rejects(refused, (error: Error & { code: string }) => {
    assert.equal(error.code, 'UNREACHABLE')
    assert.match(error.message, /PROXY_ANSWERED_407/)
    assert.doesNotMatch(`${error.message} ${String((error.cause as Error).message)}`, /planted/)
    return true
  })
})

test('an address that may not be connected to may not be through a proxy either', async (t) => {
  const proxy = await aProxy(t)
  const dispatcher = openDispatcher(t, { proxies: readProxies({ HTTP_PROXY: proxy.host }), retry: { retries: 0 } })
  dispatcher.know('parent.example')

  const refused = dispatcher.request(get('http://169.254.169.254/metadata', t.signal), async () => {})

  await assert.rejects(refused, { code: 'ADDRESS_REFUSED' })
  assert.deepEqual(proxy.asked, [])
})

test('exceptions are reached directly, with what is below them', () => {
  const settings = readProxies({
    HTTPS_PROXY: 'http://proxy:3128',
    NO_PROXY: 'site.example, .corp.example,10.0.0.7 registry:5000'
  })
  const isLed = (host: string, port = 443, protocol = 'https:') =>
    proxyFor(settings, { protocol, host, port }) !== undefined

  assert.deepEqual(
    ['site.example', 'a.site.example', 'notsite.example', 'corp.example', 'b.corp.example', '10.0.0.7', 'other'].map(
      (host) => isLed(host)
    ),
    [false, false, true, false, false, false, true]
  )
  assert.deepEqual([isLed('registry', 5000), isLed('registry', 443)], [false, true])
  assert.equal(isLed('other', 80, 'http:'), false)
  const none = readProxies({ HTTPS_PROXY: 'proxy', NO_PROXY: '*' })
  assert.equal(proxyFor(none, { protocol: 'https:', host: 'other', port: 443 }), undefined)
})

test('what is no address of a proxy is refused by the name of its variable', () => {
  for (const text of ['ftp://user:secret@proxy', 'http://', 'socks5://proxy:1080', 'http://%ff@proxy']) {
    assert.throws(() => readProxies({ HTTPS_PROXY: text }), { message: 'HTTPS_PROXY: is no address of an HTTP proxy' })
  }
})

test('any text in the variables is read or refused', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (proxy, exceptions) => {
      try {
        const settings = readProxies({ HTTPS_PROXY: proxy, NO_PROXY: exceptions })
        proxyFor(settings, { protocol: 'https:', host: 'parent.example', port: 443 })
      } catch (error) {
        assert.match(String(error), /^TypeError: HTTPS_PROXY: is no address of an HTTP proxy$/)
      }
    })
  )
})
