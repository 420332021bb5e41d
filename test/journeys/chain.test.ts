import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFile, cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { digestOf } from '../../modules/connected-registry/src/protocol/digest.ts'
import { helloWorld } from '../fixtures/demo-images.ts'
import { basicAuthorization, pushImage } from '../fixtures/push-image.ts'
import { requireTool } from '../fixtures/tools.ts'
import { createModuleProcess } from '../simulators/module-process.ts'
import { allActions, openSite } from '../simulators/site.ts'

const run = promisify(execFile)
const token = { name: 'operator', password: 'all: of it', actions: allActions }

test('a device without a registry is pulled from and pushed to by token, through its door and the one above', async (t) => {
  if (!requireTool(t, 'skopeo')) return
  const folder = await mkdtemp(join(tmpdir(), 'chain-'))
  t.after(() => rm(folder, { recursive: true }))
  const site = await openSite({ folder, tokens: [token] })
  t.after(() => site.stop())
  const image = helloWorld()
  const authorization = basicAuthorization(token.name, token.password)
  await pushImage(image, { url: site.registryUrl, repository: 'digital-twins/api', tag: '1', authorization })
  await cp(join(folder, 'tls'), join(folder, 'below'), { recursive: true })
  await copyFile(site.caFile, join(folder, 'below', 'ca.crt'))
  const door = createModuleProcess({
    name: 'api-proxy',
    main: new URL('../../modules/api-proxy/src/main.ts', import.meta.url),
    environment: {
      API_PROXY_HOST: '127.0.0.1',
      NGINX_DEFAULT_PORT: '0',
      API_PROXY_CERTIFICATE_VOLUME: join(folder, 'below'),
      IOTEDGE_PARENTHOSTNAME: '127.0.0.1',
      API_PROXY_PARENT_PORT: new URL(site.httpsDoorUrl).port
    },
    ready: 'door opened'
  })
  t.after(() => door.stop())
  await door.start()
  await mkdir(join(folder, 'trusted'))
  await copyFile(site.caFile, join(folder, 'trusted', 'ca.crt'))
  const port = door.lines.find(({ msg }) => msg === 'door opened')?.port
  const at = (reference: string) => `docker://127.0.0.1:${port}/${reference}`
  const trusting = (prefix: string) => [
    `--${prefix}cert-dir=${join(folder, 'trusted')}`,
    `--${prefix}creds=${token.name}:${token.password}`
  ]

  await run('skopeo', ['copy', '--all', ...trusting('src-'), at('digital-twins/api:1'), `oci:${join(folder, 'image')}`])
  await run('skopeo', ['copy', '--all', ...trusting('dest-'), `oci:${join(folder, 'image')}`, at('pushed/app:1')])
  const inspect = ['inspect', '--raw', ...trusting(''), at('pushed/app:1')]
  const { stdout } = await run('skopeo', inspect, { encoding: 'buffer' })

  assert.equal(digestOf(stdout), image.manifest.descriptor.digest)
})
