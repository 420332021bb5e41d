import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { extract, type Header } from 'tar-stream'
import { entriesBelow, type ImageEntry } from '../../../scripts/images/entries.ts'
import { digestOf, layerOf } from '../../../scripts/images/layer.ts'

test('the same files give the same layer, whenever and in whatever order they were written', async (t) => {
  const [first, second] = [aFolder(t, ['a', 'b']), aFolder(t, ['b', 'a'])]
  utimesSync(join(second, 'a'), 1, 1)

  const layers = [await layerOf(entriesBelow(first, 'app')), await layerOf(entriesBelow(second, 'app').toReversed())]

  assert.deepEqual(layers[0], layers[1])
})

test('a layer holds each entry after the folders above it, with its mode, its owner and its bytes', async () => {
  const path = `app/${'long/'.repeat(60)}name`
  const entries: readonly ImageEntry[] = [
    { kind: 'file', path, content: 'text', mode: 0o755 },
    { kind: 'link', path: 'app/link', target: 'long' },
    { kind: 'folder', path: 'var/data', owner: 1000 }
  ]

  const { bytes, diffId } = await layerOf(entries)

  const archive = gunzipSync(bytes)
  assert.equal(diffId, digestOf(archive))
  const found = await headersOf(archive)
  assert.deepEqual(found.get(path), { type: 'file', mode: 0o755, uid: 0, text: 'text' })
  assert.deepEqual(found.get('app/link'), { type: 'symlink', mode: 0o777, uid: 0, text: 'long' })
  assert.deepEqual(found.get('var/data'), { type: 'directory', mode: 0o755, uid: 1000, text: '' })
  const names = [...found.keys()]
  assert.ok(names.indexOf('app/long') < names.indexOf(path))
})

test('every set of files comes out of a layer as it went in', async () => {
  const files = fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.string(), { maxKeys: 20 })
  await fc.assert(
    fc.asyncProperty(files, async (contents) => {
      const entries = Object.entries(contents).map(([path, content]) => ({ kind: 'file', path, content }) as const)

      const found = await headersOf(gunzipSync((await layerOf(entries)).bytes))

      const texts = Object.fromEntries([...found].map(([path, { text }]) => [path, text]))
      assert.deepEqual(texts, { ...contents })
    }),
    { numRuns: 30 }
  )
})

function aFolder(t: TestContext, names: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'layer-'))
  t.after(() => rmSync(folder, { recursive: true }))
  for (const name of names) writeFileSync(join(folder, name), name)
  mkdirSync(join(folder, 'deep'))
  symlinkSync('../a', join(folder, 'deep', 'link'))
  chmodSync(join(folder, 'a'), names[0] === 'a' ? 0o600 : 0o644)
  return folder
}

interface Found {
  readonly type: Header['type']
  readonly mode: number | undefined
  readonly uid: number | undefined
  /** Of a link, its target. */
  readonly text: string
}

async function headersOf(archive: Uint8Array): Promise<ReadonlyMap<string, Found>> {
  const found = new Map<string, Found>()
  const reader = Readable.from([Buffer.from(archive)]).pipe(extract())
  for await (const entry of reader) {
    const { name, type, mode, uid, linkname } = entry.header
    const chunks: Buffer[] = []
    for await (const chunk of entry) chunks.push(chunk as Buffer)
    found.set(name.replace(/\/$/, ''), { type, mode, uid, text: linkname ?? Buffer.concat(chunks).toString() })
  }
  return found
}
