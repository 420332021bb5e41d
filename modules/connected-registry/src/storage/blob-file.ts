import { type FileHandle, open } from 'node:fs/promises'
import type { BlobReader, ByteRange } from './blob-store.ts'
import { checkRange } from './byte-ranges.ts'
import { codeOf } from './store-error.ts'

/** Undefined: there is no such file. Throws RangeError for a range that is not inside. */
export async function openBlobFile(path: string, range?: ByteRange): Promise<BlobReader | undefined> {
  const handle = await openExisting(path)
  if (!handle) return undefined
  try {
    const { size } = await handle.stat()
    const { first, last } = checkRange(size, range)
    return await blobReader(handle, { size, first, next: last + 1 })
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function blobReader(
  handle: FileHandle,
  { size, first, next }: { size: number; first: number; next: number }
): Promise<BlobReader> {
  let position = first
  let closing: Promise<void> | undefined

  function close(): Promise<void> {
    closing ??= handle.close()
    return closing
  }

  async function readHere(into: Uint8Array): Promise<number> {
    const { bytesRead } = await handle.read(into, 0, Math.min(into.length, next - position), position)
    if (bytesRead === 0 && into.length > 0) throw new Error(`the blob ends at ${position} of ${size} bytes`)
    position += bytesRead
    return bytesRead
  }

  if (position === next) await close()
  return {
    size,
    async read(into) {
      if (position === next) return 0
      if (closing) throw new Error(`the reader was closed at ${position} of ${next} bytes`)
      try {
        const bytesRead = await readHere(into)
        if (position === next) await close()
        return bytesRead
      } catch (error) {
        await close()
        throw error
      }
    },
    close
  }
}

async function openExisting(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}
