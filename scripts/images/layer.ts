import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { type Header, pack } from 'tar-stream'
import type { ImageEntry } from './entries.ts'

export interface Layer {
  /** The archive, compressed. */
  readonly bytes: Uint8Array
  /** Of the archive as it was before it was compressed: what an image's configuration lists. */
  readonly diffId: string
}

/** A layer of these entries and the folders above them, sorted, all times zero: the same entries give the same bytes. */
export async function layerOf(entries: readonly ImageEntry[]): Promise<Layer> {
  const byPath = new Map<string, ImageEntry>()
  for (const { path } of entries)
    for (const folder of foldersAbove(path)) byPath.set(folder, { kind: 'folder', path: folder })
  for (const entry of entries) byPath.set(entry.path, entry)
  const sorted = [...byPath.values()].sort((one, other) => (one.path < other.path ? -1 : 1))
  const archive = await archiveOf(sorted)
  return { bytes: gzipSync(archive, { level: 6 }), diffId: digestOf(archive) }
}

export function digestOf(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

async function archiveOf(entries: readonly ImageEntry[]): Promise<Uint8Array> {
  const archive = pack()
  const collected = buffer(archive)
  for (const entry of entries) {
    const content = entry.kind === 'file' ? Buffer.from(entry.content) : Buffer.alloc(0)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    archive.entry(headerOf(entry, content.length), content, (error) => (error ? reject(error) : resolve()))
    await promise
  }
  archive.finalize()
  return collected
}

function headerOf(entry: ImageEntry, size: number): Partial<Header> & { readonly name: string } {
  const base = { name: entry.path, mtime: new Date(0), uid: 0, gid: 0 }
  switch (entry.kind) {
    case 'folder':
      return { ...base, type: 'directory', mode: entry.mode ?? 0o755, uid: entry.owner ?? 0, gid: entry.owner ?? 0 }
    case 'file':
      return { ...base, type: 'file', mode: entry.mode ?? 0o644, size }
    case 'link':
      return { ...base, type: 'symlink', mode: 0o777, linkname: entry.target }
  }
}

function foldersAbove(path: string): readonly string[] {
  const parts = path.split('/').slice(0, -1)
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}
