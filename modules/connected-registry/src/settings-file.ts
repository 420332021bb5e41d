import { createHash } from 'node:crypto'
import { constants, type FileHandle, open } from 'node:fs/promises'

/** What the settings file holds, or why that is nothing. Never a piece of its text: it holds secrets. */
export type FileContent =
  | { readonly kind: 'document'; readonly document: unknown }
  | { readonly kind: 'problem'; readonly problem: string }

// Twenty thousand client tokens with their hashes and rights are some five.
const bytesLimit = 16 * 1024 * 1024

/** What was seen of the file, so that nothing of it need be held. */
interface Seen {
  /** Of its text, or the problem. */
  readonly fingerprint: string
  /** Undefined: it may change without a trace, and is read again. */
  readonly mark?: string | undefined
}

/** A change so close to a look may bear the very time of what was read (`git`, "racy git"). */
const racyMs = 1000

/**
 * Tells what the file holds before it resolves, and again each time that has changed. Looks at it every so often: unlike a
 * watch, this misses no change, also of a mounted file that is replaced outside of the container. Returns how to end it.
 */
export async function followSettingsFile(
  path: string,
  lookMs: number,
  onContent: (content: FileContent) => void
): Promise<() => void> {
  let seen: Seen | undefined
  let timer: NodeJS.Timeout | undefined
  let closed = false

  async function look(): Promise<void> {
    const found = await read(path, seen)
    if (closed) return
    timer = setTimeout(look, lookMs)
    if (found === 'unchanged') return
    const isNew = found.seen.fingerprint !== seen?.fingerprint
    seen = found.seen
    if (isNew) onContent(found.content())
  }

  await look()
  return () => {
    closed = true
    clearTimeout(timer)
  }
}

interface Found {
  readonly seen: Seen
  content(): FileContent
}

async function read(path: string, seen: Seen | undefined): Promise<Found | 'unchanged'> {
  try {
    // Of a pipe in its place nobody may wait for a writer.
    await using file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    return await readOpen(path, file, seen)
  } catch (error) {
    return problem(path, `cannot be read (${codeOf(error)})`)
  }
}

async function readOpen(path: string, file: FileHandle, seen: Seen | undefined): Promise<Found | 'unchanged'> {
  const at = Date.now()
  const facts = await file.stat({ bigint: true })
  const { size, mtimeMs, ctimeMs, mtimeNs, ctimeNs, ino, dev } = facts
  if (!facts.isFile()) return problem(path, 'is not a file')
  if (size > bytesLimit) return problem(path, 'is longer than 16 MiB')
  const mark = [size, mtimeNs, ctimeNs, ino, dev].join(' ')
  if (seen?.mark === mark) return 'unchanged'
  const text = await file.readFile('utf8')
  const isSettled = at - Math.max(Number(mtimeMs), Number(ctimeMs)) > racyMs
  const fingerprint = createHash('sha256').update(text).digest('hex')
  return { seen: { fingerprint, mark: isSettled ? mark : undefined }, content: () => parse(path, text) }
}

function parse(path: string, text: string): FileContent {
  try {
    // Editors on Windows put a byte order mark first.
    return { kind: 'document', document: JSON.parse(text.replace(/^\uFEFF/, '')) }
  } catch {
    // The parser's own words quote the text.
    return { kind: 'problem', problem: `${path} is not JSON` }
  }
}

function problem(path: string, what: string): Found {
  const content: FileContent = { kind: 'problem', problem: `${path} ${what}` }
  return { seen: { fingerprint: content.problem }, content: () => content }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
