import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { helloMessage } from '../fixtures/demo-images.ts'
import { fillCloud } from '../fixtures/fill-cloud.ts'
import { manifestsOf } from '../fixtures/image-builder.ts'
import { requireTool } from '../fixtures/tools.ts'
import { aClient, aCloud, admin, reader } from './cloud-client.ts'
import type { CloudToken } from './cloud-registry/tokens.ts'

const run = promisify(execFile)
const credentials = ({ name, password }: CloudToken) => `${name}:${password}`

/** A filled registry, skopeo, and a folder of its own. */
async function aClientOfTheCloud(t: TestContext, options = {}) {
  const program = requireTool(t, 'skopeo')
  if (!program) return undefined
  const cloud = await aCloud(t, options)
  const filling = fillCloud(cloud.contents, { largeSize: 0 })
  const folder = await mkdtemp(join(tmpdir(), 'cloud-client-'))
  t.after(() => rm(folder, { recursive: true }))
  const skopeo = async (...parameters: readonly string[]) => {
    return (await run(program, ['--insecure-policy', '--command-timeout=30s', ...parameters])).stdout
  }
  return { cloud, filling, folder, skopeo }
}

test('skopeo logs in with the right password only', async (t) => {
  const world = await aClientOfTheCloud(t)
  if (!world) return
  const { cloud, folder, skopeo } = world
  const login = (password: string) =>
    skopeo(
      'login',
      '--tls-verify=false',
      `--authfile=${folder}/auth.json`,
      '-u=reader',
      `-p=${password}`,
      cloud.loginServer
    )

  await assert.rejects(login('wrong'), /Incorrect Password|invalid username\/password/)
  await login(reader.password)

  const { auths } = JSON.parse(await readFile(join(folder, 'auth.json'), 'utf8'))
  assert.deepEqual(Object.keys(auths), [cloud.loginServer])
})

for (const redirectBlobs of [true, false]) {
  test(`skopeo copies an index out by tag and by digest, blobs ${redirectBlobs ? 'redirected' : 'direct'}`, async (t) => {
    const world = await aClientOfTheCloud(t, { redirectBlobs })
    if (!world) return
    const { cloud, filling, folder, skopeo } = world
    const from = `docker://${cloud.loginServer}/demo/app`
    const copy = (source: string, target: string) =>
      skopeo('copy', '--all', '--src-tls-verify=false', `--src-creds=${credentials(reader)}`, source, `dir:${target}`)

    await copy(`${from}:1.0`, join(folder, 'tag'))
    await copy(`${from}@${filling.app.manifest.descriptor.digest}`, join(folder, 'digest'))

    for (const name of ['tag', 'digest']) {
      assert.deepEqual(await readFile(join(folder, name, 'manifest.json')), filling.app.manifest.bytes)
      assert.ok((await readdir(join(folder, name))).length > manifestsOf(filling.app).length)
    }
    assert.equal(
      cloud.requests.some(({ server }) => server === 'data'),
      redirectBlobs
    )
    assert.ok(cloud.requests.every(({ server, authorization }) => server !== 'data' || authorization === 'none'))
  })
}

test('skopeo copies an index into the cloud, byte for byte, and lists its tags', async (t) => {
  const world = await aClientOfTheCloud(t)
  if (!world) return
  const { cloud, filling, skopeo } = world
  const [from, to] = [`docker://${cloud.loginServer}/demo/app:1.0`, `docker://${cloud.loginServer}/demo/copy`]
  const sides = ['--src-tls-verify=false', '--dest-tls-verify=false']
  const creds = [`--src-creds=${credentials(reader)}`, `--dest-creds=${credentials(admin)}`]

  await skopeo('copy', '--all', ...sides, ...creds, from, `${to}:2.0`)
  const listed = await skopeo('list-tags', '--tls-verify=false', `--creds=${credentials(reader)}`, to)

  const copied = cloud.contents.manifest('demo/copy', '2.0')
  assert.deepEqual(copied?.bytes, filling.app.manifest.bytes)
  assert.deepEqual(JSON.parse(listed).Tags, ['2.0'])
})

test('skopeo is refused where its token may not push or pull', async (t) => {
  const world = await aClientOfTheCloud(t)
  if (!world) return
  const { cloud, folder, skopeo } = world
  const image = (name: string) => `docker://${cloud.loginServer}/${name}`
  const as = `${credentials(reader)}`

  const pull = skopeo('copy', '--src-tls-verify=false', `--src-creds=${as}`, image('hello-world'), `dir:${folder}/x`)
  await assert.rejects(pull, /unauthorized|authentication required/)
  const remove = skopeo('delete', '--tls-verify=false', `--creds=${as}`, image('demo/app:1.0'))
  await assert.rejects(remove, /unauthorized|authentication required/i)
  assert.equal(cloud.contents.repository('demo/app')?.tags.has('1.0'), true)
})

test('an image of the cloud unpacks to a program that runs', async (t) => {
  const umoci = requireTool(t, 'umoci')
  const world = umoci && process.platform === 'linux' && process.arch === 'x64' && (await aClientOfTheCloud(t))
  if (!world) return
  const { cloud, folder, skopeo } = world
  const from = `docker://${cloud.loginServer}/hello-world:latest`

  await skopeo(
    'copy',
    '--src-tls-verify=false',
    `--src-creds=${credentials(admin)}`,
    from,
    `oci:${folder}/layout:hello`
  )
  await run(umoci, ['unpack', '--rootless', '--image', `${folder}/layout:hello`, `${folder}/bundle`])
  const { stdout } = await run(join(folder, 'bundle', 'rootfs', 'hello'))

  assert.equal(stdout, helloMessage)
})

test('with certificates both ports speak https', async (t) => {
  const openssl = requireTool(t, 'openssl')
  if (!openssl) return
  const world = await aClientOfTheCloud(t, { certificates: await selfSigned(t, openssl) })
  if (!world) return
  const { cloud, folder, skopeo } = world
  const from = `docker://${cloud.loginServer}/demo/app:1.0`

  await skopeo('copy', '--src-tls-verify=false', `--src-creds=${credentials(reader)}`, from, `dir:${folder}/out`)

  assert.ok(cloud.requests.some(({ server, status }) => server === 'data' && status === 200))
  await assert.rejects(aClient(cloud, reader)('/v2/'), 'its certificate is its own')
})

async function selfSigned(t: TestContext, openssl: string) {
  const folder = await mkdtemp(join(tmpdir(), 'certificate-'))
  t.after(() => rm(folder, { recursive: true }))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const names = ['-subj', '/CN=cloud', '-addext', 'subjectAltName=IP:127.0.0.1']
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1']
  await run(openssl, ['req', '-x509', ...kind, ...names, '-keyout', key, '-out', cert])
  return { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') }
}
