import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** One name in an image's root file system. */
export type ImageEntry =
  | { readonly kind: 'folder'; readonly path: string; readonly mode?: number; readonly owner?: number }
  | { readonly kind: 'file'; readonly path: string; readonly content: Uint8Array | string; readonly mode?: number }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }

/**
 * What lies below a folder, under `prefix`, without times, owners and the builder's umask: a file is 0644, or 0755 where its owner
 * may run it. Paths have no leading slash.
 */
export function entriesBelow(folder: string, prefix: string, wanted = (_path: string) => true): readonly ImageEntry[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(wanted)
    .map((name) => entryOf(join(folder, name), join(prefix, name)))
}

function entryOf(file: string, path: string): ImageEntry {
  const found = lstatSync(file)
  if (found.isSymbolicLink()) return { kind: 'link', path, target: readlinkSync(file) }
  if (found.isDirectory()) return { kind: 'folder', path }
  if (!found.isFile()) throw new Error(`${file} is neither a file, a folder nor a link`)
  return { kind: 'file', path, content: readFileSync(file), mode: found.mode & 0o100 ? 0o755 : 0o644 }
}
