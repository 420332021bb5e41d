import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Adapter, Low } from 'lowdb'
import { makeWritableDirectory, replaceFile } from './durable-files.ts'
import { codeOf, StoreError } from './store-error.ts'
import { createTurns } from './turns.ts'

/** One small readable JSON file: what this module was last told and who it is. Only its owner may read it. */
export interface StateFile<T> {
  /** As of the last update that is on the disk. */
  readonly data: T
  /** Why `data` is not what the file held: a broken file was replaced by the previous copy, or there was none that could be read. */
  readonly problem: string | undefined
  /** Durable when it resolves. Updates are applied in the order of the calls; nothing is written where nothing changed. */
  update(change: (data: T) => T): Promise<void>
}

export interface StateFileOptions<T> {
  /** Checks what was read; throws where it is not a state. */
  parse(content: unknown): T
  readonly empty: T
}

export async function openStateFile<T extends object>(
  path: string,
  options: StateFileOptions<T>
): Promise<StateFile<T>> {
  await makeWritableDirectory(dirname(path))
  const adapter = createAdapter(path, options.parse)
  const low = new Low<T>(adapter, options.empty)
  await low.read()
  const turns = createTurns()
  let data = low.data

  return {
    get data() {
      return data
    },
    get problem() {
      return adapter.problem
    },
    update: (change) =>
      turns.exclusive(async () => {
        low.data = change(data)
        await low.write()
        data = low.data
      })
  }
}

interface StateAdapter<T> extends Adapter<T> {
  readonly problem: string | undefined
}

/** Keeps the text before the last write as `<path>.previous`, and falls back to it. */
function createAdapter<T>(path: string, parse: (content: unknown) => T): StateAdapter<T> {
  const previousPath = `${path}.previous`
  let current: string | undefined
  let problem: string | undefined

  async function fallBack(broken: Copy<T>): Promise<T | null> {
    const previous = await readCopy(previousPath, parse)
    if (broken.kind === 'absent' && previous.kind === 'absent') return null
    if (previous.kind !== 'whole') {
      problem = `${describe(path, broken)} and ${describe(previousPath, previous)}: began with an empty state`
      return null
    }
    problem = `${describe(path, broken)}: went back to the copy before`
    await replaceFile(path, previous.text, ownerOnly)
    current = previous.text
    return previous.data
  }

  return {
    get problem() {
      return problem
    },
    async read() {
      const copy = await readCopy(path, parse)
      if (copy.kind !== 'whole') return fallBack(copy)
      current = copy.text
      return copy.data
    },
    async write(data) {
      const text = `${JSON.stringify(data, null, 2)}\n`
      if (text === current) return
      // Written again rather than renamed: at no instant is `path` missing.
      if (current !== undefined) await replaceFile(previousPath, current, ownerOnly)
      await replaceFile(path, text, ownerOnly)
      current = text
    }
  }
}

const ownerOnly = 0o600

type Copy<T> =
  | { readonly kind: 'absent' }
  | { readonly kind: 'broken'; readonly reason: string }
  | { readonly kind: 'whole'; readonly text: string; readonly data: T }

/** The parsers' own messages quote what they read, which may be a password: the reasons here are ours. */
async function readCopy<T>(path: string, parse: (content: unknown) => T): Promise<Copy<T>> {
  const text = await readText(path)
  if (text === undefined) return { kind: 'absent' }
  const content = attempt(() => JSON.parse(text) as unknown)
  if (!content) return { kind: 'broken', reason: 'not JSON' }
  const state = attempt(() => parse(content.result))
  return state ? { kind: 'whole', text, data: state.result } : { kind: 'broken', reason: 'not a state of this release' }
}

function attempt<R>(work: () => R): { readonly result: R } | undefined {
  try {
    return { result: work() }
  } catch {
    return undefined
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const code = codeOf(cause) ?? 'STORE_FAILED'
    if (code === 'ENOENT') return undefined
    throw new StoreError('the state file cannot be read', { code, path, cause })
  }
}

function describe<T>(path: string, copy: Copy<T>): string {
  return copy.kind === 'broken' ? `${path} is broken (${copy.reason})` : `${path} is missing`
}
