import assert from 'node:assert/strict'
import { appendFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { ProblemKind, RemainderKind } from '../../../modules/connected-registry/src/integrity/findings.ts'
import { fsck } from '../../../modules/connected-registry/src/integrity/fsck.ts'
import { fsckText } from '../../../modules/connected-registry/src/integrity/fsck-text.ts'
import { type Digest, digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { createRegistry } from '../../../modules/connected-registry/src/registry/create-registry.ts'
import { blobPath, keys } from '../../../modules/connected-registry/src/storage/layout.ts'
import type { Batch } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { putBlob } from '../../contracts/blob-content.ts'
import { anIndex, aReferrer } from '../../fixtures/image-builder.ts'
import { pushImage } from '../registry/open-registry.ts'
import { aStoredImage, flipByte, type StoredImage } from './damaged-store.ts'

const nowhere = `sha256:${'0'.repeat(64)}` as const
const descriptor = { mediaType: 'application/octet-stream', size: 5 }

test('a whole store is clean, with its figures, and examining it changes nothing', async (t) => {
  const { dataVolume, image, blobs } = await aStoredImage(t)

  const report = await fsck(dataVolume, { content: true })

  assert.deepEqual([report.problems, report.remainders], [[], []])
  const { repositories, tags, manifests, manifestBytes, log, uploads } = report.figures
  assert.deepEqual([repositories, tags, manifests, uploads], [1, 1, 1, 0])
  assert.equal(manifestBytes, image.manifest.bytes.length)
  assert.equal(report.figures.blobs, blobs.length)
  assert.deepEqual(log, { first: 1, last: 2 })
  assert.match(fsckText(report), /: clean\n/)
})

test('an index, its manifests and a referrer are whole too', async (t) => {
  const { dataVolume, image, inStore } = await aStoredImage(t)
  await inStore(async (store) => {
    const registry = await createRegistry(store)
    await pushImage({ ...store, registry }, 'app', anIndex([image]), 'all')
    await pushImage({ ...store, registry }, 'app', aReferrer(image, { artifactType: 'application/x' }))
  })

  assert.deepEqual((await fsck(dataVolume, { content: true })).problems, [])
})

/** What is done to a store of one image, and what is then found. */
const damages: readonly (readonly [name: string, ProblemKind, (stored: StoredImage) => Promise<unknown>])[] = [
  ['a file is gone', 'LINK_WITHOUT_CONTENT', ({ paths, blobs }) => rm(blobPath(paths.blobs, blobs[0]!))],
  ['a file lost its end', 'SIZE_WRONG', ({ paths, blobs }) => truncate(blobPath(paths.blobs, blobs[0]!), 10)],
  ['a file grew', 'SIZE_WRONG', ({ paths, blobs }) => appendFile(blobPath(paths.blobs, blobs[0]!), 'x')],
  ['a byte flipped', 'DIGEST_WRONG', ({ paths, blobs }) => flipByte(paths, blobs[0]!)],
  [
    'a manifest is gone',
    'LINK_WITHOUT_CONTENT',
    (stored) => commit(stored, { remove: [keys.manifest(manifestOf(stored))] })
  ],
  [
    'a manifest is another one',
    'DIGEST_WRONG',
    (stored) => commit(stored, { put: [[keys.manifest(manifestOf(stored)), Buffer.from('{}')]] })
  ],
  [
    'a tag leads nowhere',
    'TAG_WITHOUT_MANIFEST',
    (stored) => commit(stored, { put: [[keys.tag('app', 'v2'), { ...descriptor, digest: nowhere, updatedAt: '' }]] })
  ],
  [
    'a manifest lost a layer',
    'MANIFEST_WITHOUT_CONTENT',
    (stored) => commit(stored, { remove: [keys.link('app', stored.blobs[1]!)] })
  ],
  ['the repository is gone', 'WITHOUT_REPOSITORY', (stored) => commit(stored, { remove: [keys.repository('app')] })],
  [
    'a referrer is listed that is none',
    'REFERRER_BROKEN',
    (stored) => commit(stored, { put: [[keys.referrer('app', nowhere, manifestOf(stored)), descriptor]] })
  ],
  ['the head of the log is behind it', 'LOG_BROKEN', (stored) => commit(stored, { put: [[keys.logHead, 1]] })],
  ['the log goes on before its beginning', 'LOG_BROKEN', (stored) => commit(stored, { put: [[keys.logTrimmed, 2]] })],
  ['a record is no JSON', 'RECORD_UNREADABLE', (stored) => writeText(stored, keys.link('app', nowhere), '{"size":')],
  ['a record is something else', 'RECORD_UNREADABLE', (stored) => commit(stored, { put: [['tag:app:v3 v3', 5]] })]
]

for (const [name, kind, damage] of damages) {
  test(`fsck sees that ${name}: ${kind}`, async (t) => {
    const stored = await aStoredImage(t)
    await damage(stored)

    const { problems } = await fsck(stored.dataVolume, { content: true })

    assert.ok(
      problems.some((problem) => problem.kind === kind),
      JSON.stringify(problems)
    )
  })
}

test('without reading the content a flipped byte is not seen', async (t) => {
  const { dataVolume, paths, blobs } = await aStoredImage(t)
  await flipByte(paths, blobs[0]!)

  assert.deepEqual((await fsck(dataVolume)).problems, [])
})

const remains: readonly (readonly [name: string, RemainderKind, (stored: StoredImage) => Promise<unknown>])[] = [
  [
    'a blob nobody links',
    'BLOB_UNLINKED',
    ({ inStore }) => inStore(({ blobs }) => putBlob(blobs, Buffer.from('alone')))
  ],
  ['a manifest nobody links', 'MANIFEST_UNLINKED', unlinkedManifest],
  ['an upload', 'UPLOAD_OPEN', ({ inStore }) => inStore(({ blobs }) => blobs.beginUpload())],
  ['a removal that was cut', 'REMOVAL_OPEN', cutRemoval],
  ['a file that is not ours', 'FILE_FOREIGN', ({ paths }) => writeFile(join(paths.blobs, 'sha256', 'note.txt'), 'x')]
]

for (const [name, kind, leave] of remains) {
  test(`fsck counts ${name} and calls the store clean`, async (t) => {
    const stored = await aStoredImage(t)
    await leave(stored)

    const { problems, remainders } = await fsck(stored.dataVolume, { content: true })

    assert.deepEqual([problems, remainders.map((one) => one.kind)], [[], [kind]])
  })
}

test('a store in use is not examined unless it is asked for', async (t) => {
  const { dataVolume, inStore } = await aStoredImage(t)

  await inStore(async () => {
    await assert.rejects(fsck(dataVolume), { code: 'STORE_IN_USE' })
    assert.deepEqual((await fsck(dataVolume, { whileInUse: true })).problems, [])
  })
})

test('where there is no store, nothing is made', async (t) => {
  const { dataVolume } = await aStoredImage(t)

  await assert.rejects(fsck(join(dataVolume, 'elsewhere')), { code: 'ENOENT' })
})

test('a records file that is none of ours cannot be opened', async (t) => {
  const { dataVolume, paths } = await aStoredImage(t)
  await writeFile(paths.records, 'x'.repeat(5000))

  await assert.rejects(fsck(dataVolume), { code: 'STORE_CORRUPT' })
})

test('many problems of a kind take four lines', async (t) => {
  const stored = await aStoredImage(t)
  const tags = Array.from({ length: 50 }, (_, index) => `t${index}`)
  const lost = { ...descriptor, digest: nowhere, updatedAt: '' }
  await commit(stored, { put: tags.map((tag) => [keys.tag('app', tag), lost] as const) })

  const text = fsckText(await fsck(stored.dataVolume))

  assert.match(text, /: 100 problems\n/)
  assert.match(
    text,
    /PROBLEM a tag points .*\(50\)\n {4}app:t0.*\n.*\n.*\n {4}and 47 more\n {4}what mends it: push the image again/
  )
})

function manifestOf({ image }: StoredImage): Digest {
  return image.manifest.descriptor.digest
}

function commit({ inStore }: StoredImage, batch: Batch): Promise<void> {
  return inStore(({ records }) => records.commit(batch))
}

async function writeText({ paths }: StoredImage, key: string, text: string): Promise<void> {
  const database = new DatabaseSync(paths.records)
  database.prepare('INSERT INTO records (key, value) VALUES (?, ?)').run(key, text)
  database.close()
}

function unlinkedManifest(stored: StoredImage): Promise<void> {
  const bytes = Buffer.from('{}')
  return commit(stored, { put: [[keys.manifest(digestOf(bytes)), bytes]] })
}

function cutRemoval(stored: StoredImage): Promise<void> {
  const marked = { createdAt: '2024-01-01T00:00:00.000Z', removal: 'begun' }
  return commit(stored, { put: [[keys.repository('app'), marked]] })
}
