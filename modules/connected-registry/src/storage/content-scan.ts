import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { type Algorithm, type Digest, parseDigest } from '../protocol/digest.ts'
import type { StorePaths } from './layout.ts'
import { codeOf } from './store-error.ts'

/** One thing on the disk, below the folders of the content. */
export type StoredFile =
  | { readonly kind: 'blob'; readonly digest: Digest; readonly size: number }
  | { readonly kind: 'quarantined'; readonly digest: Digest; readonly size: number }
  | { readonly kind: 'upload'; readonly id: string; readonly size: number }
  | { readonly kind: 'foreign'; readonly path: string; readonly size: number }

type ContentPaths = Pick<StorePaths, 'root' | 'blobs' | 'uploads' | 'quarantine'>

/** Everything that lies in the folders of the content, as it is. Changes nothing; a folder that is missing holds nothing. */
export async function* scanContent(paths: ContentPaths): AsyncGenerator<StoredFile> {
  for await (const file of filesBelow(paths.blobs, 2)) yield describeBlob(paths, file)
  for (const name of await readQuarantine(paths.quarantine)) {
    yield { kind: 'quarantined', digest: name, size: await sizeOf(quarantinePath(paths.quarantine, name)) }
  }
  for (const entry of await entriesOf(paths.uploads)) {
    const path = join(paths.uploads, entry.name)
    if (entry.isDirectory()) yield { kind: 'upload', id: entry.name, size: await sizeOf(join(path, 'data')) }
    else yield { kind: 'foreign', path: relative(paths.root, path), size: await sizeOf(path) }
  }
}

/** Content that was set aside, in the order of the names. */
export async function readQuarantine(folder: string): Promise<readonly Digest[]> {
  const names = (await entriesOf(folder)).map(({ name }) => parseDigest(name.replace('-', ':')))
  return names.filter((digest) => digest !== undefined).sort()
}

export function quarantinePath(folder: string, digest: Digest): string {
  return join(folder, digest.replace(':', '-'))
}

function describeBlob(paths: ContentPaths, { path, size }: { path: string; size: number }): StoredFile {
  const [algorithm, prefix = '', hex = '', ...below] = relative(paths.blobs, path).split('/')
  const digest = parseDigest(`${algorithm as Algorithm}:${hex}`)
  if (digest && hex.startsWith(prefix) && prefix.length === 2 && below.length === 0)
    return { kind: 'blob', digest, size }
  return { kind: 'foreign', path: relative(paths.root, path), size }
}

async function* filesBelow(folder: string, depth: number): AsyncGenerator<{ path: string; size: number }> {
  for (const entry of await entriesOf(folder)) {
    const path = join(folder, entry.name)
    if (entry.isDirectory() && depth > 0) yield* filesBelow(path, depth - 1)
    else yield { path, size: await sizeOf(path) }
  }
}

async function entriesOf(folder: string): Promise<readonly Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    return entries.sort((one, other) => (one.name < other.name ? -1 : 1))
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 0
    throw error
  }
}
