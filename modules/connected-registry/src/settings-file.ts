import { readFile, stat } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'

/** What the settings file holds, or why that is nothing. Never a piece of its text: it holds secrets. */
export type FileContent =
  | { readonly kind: 'document'; readonly document: unknown }
  | { readonly kind: 'problem'; readonly problem: string }

const bytesLimit = 1024 * 1024

/**
 * Tells what the file holds before it resolves, and again each time that has changed. Reads it every so often: unlike a
 * watch, this misses no change, also of a mounted file that is replaced outside of the container. Returns how to end it.
 */
export async function followSettingsFile(
  path: string,
  lookMs: number,
  onContent: (content: FileContent) => void
): Promise<() => void> {
  let last: FileContent | undefined
  let timer: NodeJS.Timeout | undefined
  let closed = false

  async function look(): Promise<void> {
    const content = await readContent(path)
    if (closed) return
    timer = setTimeout(look, lookMs)
    if (isDeepStrictEqual(content, last)) return
    last = content
    onContent(content)
  }

  await look()
  return () => {
    closed = true
    clearTimeout(timer)
  }
}

async function readContent(path: string): Promise<FileContent> {
  const problem = (what: string): FileContent => ({ kind: 'problem', problem: `${path} ${what}` })
  try {
    const file = await stat(path)
    if (!file.isFile()) return problem('is not a file')
    if (file.size > bytesLimit) return problem('is longer than 1 MiB')
    const text = await readFile(path, 'utf8')
    // Editors on Windows put a byte order mark first.
    return { kind: 'document', document: JSON.parse(text.replace(/^\uFEFF/, '')) }
  } catch (error) {
    // The parser's own words quote the text.
    return problem(error instanceof SyntaxError ? 'is not JSON' : `cannot be read (${codeOf(error)})`)
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
