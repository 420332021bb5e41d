import { relative, sep } from 'node:path'
import { type CallEvent, numberOf, type SystemCall, stringsOf } from './system-calls.ts'

/**
 * One change of what a folder holds, or one sync. Files and directories are nodes with numbers, 0 the folder itself: a name leads
 * to a node, and a rename is a name that is added and a name that goes.
 */
export type Operation =
  | { readonly kind: 'write'; readonly node: number; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly node: number; readonly size: number }
  | { readonly kind: 'link'; readonly node: number; readonly name: string; readonly target: number }
  | { readonly kind: 'unlink'; readonly node: number; readonly name: string }
  /** `covers`: operations before this place were complete when the sync began. */
  | { readonly kind: 'sync'; readonly node: number; readonly covers: number }

export interface Recording {
  /** In the order in which they ended. */
  readonly operations: readonly Operation[]
  readonly directories: ReadonlySet<number>
  /** Lines the program printed, each with how many operations had ended when it began to say so. */
  readonly lines: readonly { readonly text: string; readonly at: number }[]
}

interface OpenFile {
  readonly node: number
  readonly append: boolean
  offset: number
}

/** What a program did below `folder`, which was empty, and what it printed. What is mapped into memory is not seen. */
export function recordingOf(events: Iterable<CallEvent>, folder: string): Recording {
  const operations: Operation[] = []
  const directories = new Set([0])
  const tree = new Map<number, Map<string, number>>([[0, new Map()]])
  const sizes = new Map<number, number>()
  const files = new Map<number, OpenFile>()
  const begun = new Map<SystemCall, { readonly file?: OpenFile; readonly at: number }>()
  const output: { bytes: Buffer; at: number }[] = []
  let nodes = 0

  /** Undefined: outside of the folder, or its directory is not there. */
  function place(path: string): { directory: number; name: string; node?: number } | undefined {
    const inside = relative(folder, path)
    if (inside === '' || inside.startsWith('..') || inside.startsWith(sep)) return undefined
    const names = inside.split(sep)
    const name = names.pop() ?? ''
    let directory: number | undefined = 0
    for (const step of names) directory = directory === undefined ? undefined : tree.get(directory)?.get(step)
    return directory === undefined ? undefined : { directory, name, node: tree.get(directory)?.get(name) }
  }

  function nodeAt(path: string): number | undefined {
    return path === folder ? 0 : place(path)?.node
  }

  function link(directory: number, name: string, target: number): void {
    tree.get(directory)?.set(name, target)
    operations.push({ kind: 'link', node: directory, name, target })
  }

  function unlink(path: string): void {
    const found = place(path)
    if (!found) return
    tree.get(found.directory)?.delete(found.name)
    operations.push({ kind: 'unlink', node: found.directory, name: found.name })
  }

  function create(path: string, isDirectory: boolean): number | undefined {
    const found = place(path)
    if (!found) return undefined
    const node = ++nodes
    if (isDirectory) {
      directories.add(node)
      tree.set(node, new Map())
    }
    link(found.directory, found.name, node)
    return node
  }

  function open(call: SystemCall, result: number): void {
    const path = stringsOf(call)[0]?.toString() ?? ''
    const flags = call.arguments
    const node = nodeAt(path) ?? (flags.includes('O_CREAT') ? create(path, false) : undefined)
    if (node === undefined) return
    if (flags.includes('O_TRUNC') && sizes.get(node)) truncate(node, 0)
    files.set(result, { node, append: flags.includes('O_APPEND'), offset: 0 })
  }

  function write(file: OpenFile, bytes: Buffer, position?: number): void {
    const at = position ?? (file.append ? (sizes.get(file.node) ?? 0) : file.offset)
    if (position === undefined) file.offset = at + bytes.length
    sizes.set(file.node, Math.max(sizes.get(file.node) ?? 0, at + bytes.length))
    operations.push({ kind: 'write', node: file.node, at, bytes })
  }

  function truncate(node: number, size: number): void {
    sizes.set(node, size)
    operations.push({ kind: 'truncate', node, size })
  }

  function begin(call: SystemCall): void {
    const descriptor = Number.parseInt(call.arguments, 10)
    const file = Number.isNaN(descriptor) ? undefined : files.get(descriptor)
    begun.set(call, { file, at: operations.length })
    // The number may be given out again before the call returns.
    if (call.name === 'close') files.delete(descriptor)
  }

  function end(call: SystemCall): void {
    const { file, at = 0 } = begun.get(call) ?? {}
    begun.delete(call)
    const { name, result = -1 } = call
    if (result < 0) return
    const written = () => Buffer.concat(stringsOf(call)).subarray(0, result)
    const paths = () => stringsOf(call).map(String)
    if (name === 'openat' || name === 'open') open(call, result)
    else if (/^mkdir/.test(name)) create(paths()[0] ?? '', true)
    else if (/^(unlink|unlinkat|rmdir)$/.test(name)) unlink(paths()[0] ?? '')
    else if (/^rename/.test(name)) rename(paths()[0] ?? '', paths()[1] ?? '')
    else if (/^link/.test(name)) linkAgain(paths()[0] ?? '', paths()[1] ?? '')
    else if (/^write/.test(name) && file) write(file, written())
    else if (/^write/.test(name) && /^1, /.test(call.arguments)) output.push({ bytes: written(), at })
    else if (!file) return
    else if (/^pwritev?(64)?$/.test(name)) write(file, written(), numberOf(call, -1))
    else if (name === 'ftruncate') truncate(file.node, numberOf(call, -1))
    else if (name === 'lseek') file.offset = result
    else if (/^f(data)?sync$/.test(name)) operations.push({ kind: 'sync', node: file.node, covers: at })
    else if (/^(fallocate|dup|pwritev2|copy_file_range|sendfile)/.test(name))
      throw new Error(`${name} is not understood`)
  }

  function rename(from: string, to: string): void {
    linkAgain(from, to)
    unlink(from)
  }

  function linkAgain(from: string, to: string): void {
    const [source, target] = [place(from), place(to)]
    if (source?.node !== undefined && target) link(target.directory, target.name, source.node)
  }

  for (const { kind, call } of events) kind === 'begin' ? begin(call) : end(call)
  return { operations, directories, lines: linesOf(output) }
}

function linesOf(output: readonly { bytes: Buffer; at: number }[]): Recording['lines'] {
  return output.flatMap(({ bytes, at }) =>
    bytes
      .toString()
      .split('\n')
      .slice(0, -1)
      .map((text) => ({ text, at }))
  )
}
