import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { requireTool } from '../fixtures/tools.ts'
import { compileCache, followProgram } from '../simulators/module-process.ts'
import { ask } from './open-door.ts'

const main = fileURLToPath(new URL('../../modules/api-proxy/src/main.ts', import.meta.url))

async function aRegistryAt(t: TestContext, host: string, port = 0): Promise<Server> {
  const server = createServer((_, answer) => answer.end(host))
  await once(server.listen(port, host), 'listening')
  t.after(() => server.close())
  return server
}

test('a registry that comes back under another address is found there, without a restart', async (t) => {
  if (!requireTool(t, 'unshare')) return
  if (spawnSync('unshare', ['-rm', 'true']).status !== 0) {
    t.skip('no mounts of a test of its own here')
    return
  }
  const folder = await mkdtemp(join(tmpdir(), 'moved-'))
  t.after(() => rm(folder, { recursive: true }))
  // Its own view of the machine's names, as a container's of those in its network.
  const hosts = join(folder, 'hosts')
  await writeFile(hosts, '127.0.0.2 connected-registry\n')
  const first = await aRegistryAt(t, '127.0.0.2')
  const { port } = first.address() as AddressInfo
  const env = {
    PATH: process.env.PATH ?? '',
    NODE_COMPILE_CACHE: compileCache,
    API_PROXY_TLS: 'off',
    API_PROXY_HOST: '127.0.0.1',
    NGINX_DEFAULT_PORT: '0',
    CONNECTED_ACR_ROUTE_ADDRESS: `connected-registry:${port}`
  }
  const script = 'mount --bind "$0" /etc/hosts && exec "$@"'
  const command = ['-rm', 'sh', '-c', script, hosts, process.execPath, '--disable-warning=DEP0060', main]
  const door = followProgram('api-proxy', 'door opened', {
    run: () => spawn('unshare', command, { env, stdio: ['ignore', 'pipe', 'pipe'] }),
    signal: (child, signal) => void child.kill(signal)
  })
  t.after(() => door.stop())
  await door.start()
  const doorPort = Number(door.lines.find(({ msg }) => msg === 'door opened')?.port)
  const body = async () => (await ask(doorPort, '/v2/')).body

  assert.equal(await body(), '127.0.0.2')
  first.closeAllConnections()
  first.close()
  await writeFile(hosts, '127.0.0.3 connected-registry\n')
  await aRegistryAt(t, '127.0.0.3', port)

  assert.equal(await body(), '127.0.0.3')
})
