import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'

const made: string[] = []

// After all tests of the process, when everything that was opened inside is closed.
after(() => Promise.all(made.map((path) => rm(path, { recursive: true, force: true }))))

export async function temporaryFolder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'storage-'))
  made.push(path)
  return path
}
