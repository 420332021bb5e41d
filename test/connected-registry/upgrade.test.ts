import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { fsck } from '../../modules/connected-registry/src/integrity/fsck.ts'
import { digestOf, parseDigest } from '../../modules/connected-registry/src/protocol/digest.ts'
import { storePaths } from '../../modules/connected-registry/src/storage/layout.ts'
import { schemaVersion } from '../../modules/connected-registry/src/storage/sqlite-database.ts'
import { openDurableSite } from '../faults/durable-site.ts'
import { basicAuthorization } from '../fixtures/push-image.ts'
import type { CloudRegistry } from '../simulators/cloud-registry/cloud-registry.ts'
import { client, clientToken, runApp } from './running-app.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'
import { openCloud, writeRights } from './sync/parents.ts'

/**
 * A data folder as a version of the schema left it, in words of that time: nothing of the code under test makes it. It held one
 * image that came from a parent (plant/app:1.0, with an SBOM), one that a client pushed (site/tool:v1), and half an upload.
 */
interface KeptFolder {
  readonly schema: string
  /** Bytes as `{ base64 }`. Without the signing key, which is made anew each time. */
  readonly records: readonly (readonly [key: string, value: unknown])[]
  /** Base64, by their paths. */
  readonly files: Readonly<Record<string, string>>
}

/** The parent of that time. */
const formerParent = 'cloud.example:443'
const versions = Array.from({ length: schemaVersion }, (_, index) => index + 1)

function readKept(version: number): KeptFolder {
  return JSON.parse(readFileSync(new URL(`../fixtures/data-folders/version-${version}.json`, import.meta.url), 'utf8'))
}

function writeFolder(folder: string, version: number, { schema, records, files }: KeptFolder): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), Buffer.from(content, 'base64'))
  }
  const database = new DatabaseSync(storePaths(folder).records)
  database.exec(`${schema}; PRAGMA user_version = ${version}; PRAGMA journal_mode = WAL`)
  const insert = database.prepare('INSERT INTO records (key, value) VALUES (?, ?)')
  for (const [key, value] of [...records, signingKey()]) insert.run(key, storedValue(value))
  database.close()
}

function storedValue(value: unknown): string | Uint8Array {
  const isBytes = typeof value === 'object' && value !== null && 'base64' in value
  return isBytes ? Buffer.from(String(value.base64), 'base64') : JSON.stringify(value)
}

function signingKey(): readonly [key: string, value: unknown] {
  const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
  const current = { id: 'the-key-of-before', jwk, madeAt: Date.now() }
  return ['identity:signing-keys', { current, refreshSecret: randomBytes(32).toString('base64url') }]
}

function readRecord(folder: string, key: string): unknown {
  const database = new DatabaseSync(storePaths(folder).records, { readOnly: true })
  const row = database.prepare('SELECT value FROM records WHERE key = ?').get(key)
  database.close()
  return JSON.parse(String(row?.value))
}

for (const version of versions) {
  test(`a data folder of version ${version} is opened as it was left: content, names, an open upload and who it is`, async (t) => {
    const kept = readKept(version)
    const records = new Map(kept.records)
    const dataVolume = await temporaryFolder()
    writeFolder(dataVolume, version, kept)
    const actions = ['content/read', 'content/write', 'metadata/read'].map((right) => `repositories/*/${right}`)
    const app = await runApp(t, {
      dataVolume,
      settings: { mode: 'ReadWrite', clientTokens: [await clientToken({ actions })] }
    })
    const url = `http://127.0.0.1:${app.port}`
    const headers = { authorization: basicAuthorization(client.name, client.password) }

    for (const [repository, tag] of [
      ['plant/app', '1.0'],
      ['site/tool', 'v1']
    ]) {
      const pulled = await app.get(`/v2/${repository}/manifests/${tag}`)
      const { digest } = records.get(`tag:${repository}:${tag} ${tag}`) as { digest: string }
      assert.deepEqual([pulled.status, digestOf(Buffer.from(pulled.text))], [200, digest])
      const { config, layers } = JSON.parse(pulled.text)
      for (const blob of [config, ...layers]) {
        const content = await fetch(`${url}/v2/${repository}/blobs/${blob.digest}`, { headers })
        assert.equal(digestOf(Buffer.from(await content.arrayBuffer())), blob.digest)
      }
      const referrers = JSON.parse((await app.get(`/v2/${repository}/referrers/${digest}`)).text).manifests
      assert.equal(referrers.length, repository === 'plant/app' ? 1 : 0)
    }
    const id = [...records.keys()].find((key) => key.startsWith('upload:'))?.slice('upload:'.length)
    const session = `${url}/v2/site/tool/blobs/uploads/${id}`
    const held = await fetch(session, { headers })
    const whole = 'the first half, and the second'
    await fetch(session, { method: 'PATCH', headers, body: whole.slice('the first half, '.length) })
    const ended = await fetch(`${session}?digest=${digestOf(Buffer.from(whole))}`, { method: 'PUT', headers })
    const { instanceId, statusDetails } = await app.status()
    await app.stop()

    assert.deepEqual([held.headers.get('range'), ended.status], ['0-15', 201])
    assert.equal(instanceId, records.get('identity:instance'))
    assert.deepEqual(
      statusDetails.filter(({ type }) => type === 'Disk' || type === 'State'),
      []
    )
    assert.deepEqual((await fsck(dataVolume, { content: true })).problems, [])
    const keys = readRecord(dataVolume, 'identity:signing-keys') as { readonly current: { readonly id: string } }
    assert.equal(keys.current.id, 'the-key-of-before')
  })
}

for (const version of versions) {
  test(`a data folder of version ${version} goes on with its parent: nothing comes anew, and a push above beats a later deletion`, async (t) => {
    const kept = readKept(version)
    const names = ['plant/app', 'site/tool']
    const { connection, cloud } = await openCloud(t, 'acr', names, { rights: writeRights })
    const records = JSON.parse(JSON.stringify(kept.records).replaceAll(formerParent, cloud.loginServer))
    const dataVolume = await temporaryFolder()
    writeFolder(dataVolume, version, { ...kept, records })
    const digest = holdAbove(cloud, kept)
    const { site } = await openDurableSite(t, connection, names, { dataVolume, mode: 'ReadWrite' })

    const { artifacts, removed } = await site.sync()
    assert.deepEqual({ artifacts, removed }, { artifacts: 0, removed: 0 })
    const bases = [...(await site.bases.readAny('plant/app')).values()]
    assert.ok(bases.length === 3 && bases.every(({ since }) => since !== undefined))

    await site.registry.manifests.remove('plant/app', digest, { origin: 'client:line-1' })
    cloud.contents.deleteManifest('plant/app', digest)
    holdAbove(cloud, kept)
    const { result } = await site.sync()

    assert.equal(result, 'Succeeded')
    assert.equal(await site.tag('plant/app', '1.0'), digest)
    assert.equal(cloud.contents.repository('plant/app')?.tags.get('1.0')?.digest, digest)
  })
}

/** What came from the parent, there again; resolves to the digest of its image. */
function holdAbove({ contents }: CloudRegistry, { records, files }: KeptFolder) {
  for (const content of Object.values(files)) contents.putBlob('plant/app', Buffer.from(content, 'base64'))
  const known = new Map(records)
  for (const [key, value] of records) {
    const digest = parseDigest(key.replace(/^manifest:/, ''))
    const link = known.get(`link:plant/app:${digest}`) as { readonly mediaType: string } | undefined
    if (!digest || !link) continue
    const bytes = storedValue(value) as Uint8Array
    contents.putManifest('plant/app', { descriptor: { ...link, digest, size: bytes.length }, bytes })
  }
  const { digest } = known.get('tag:plant/app:1.0 1.0') as { readonly digest: string }
  const tagged = parseDigest(digest)!
  contents.tag('plant/app', '1.0', tagged)
  return tagged
}
