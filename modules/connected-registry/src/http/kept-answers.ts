import type { Changes } from '../registry/registry.ts'
import type { ReadyAnswer } from './answer.ts'

/** The answer for this key, made anew only when something in the repository has changed since it was made. */
export type KeepAnswer = (repository: string, key: string, make: () => Promise<ReadyAnswer>) => Promise<ReadyAnswer>

interface Kept extends ReadyAnswer {
  readonly revision: number
}

/** What an entry costs beside its body and its key, roughly. */
const overheadBytes = 500

/**
 * Keeps lists as they were answered: a list of a thousand tags costs a thousand records, its repository's revision one.
 * The answers asked for last stay, up to so many bytes.
 */
export function keepAnswers(changes: Pick<Changes, 'revision'>, limitBytes: number = 8 * 1024 * 1024): KeepAnswer {
  // A Map keeps its order of insertion: the first one is the one not asked for the longest.
  const held = new Map<string, Kept>()
  let size = 0

  function take(name: string): Kept | undefined {
    const kept = held.get(name)
    if (kept && held.delete(name)) size -= sizeOf(name, kept)
    return kept
  }

  function put(name: string, kept: Kept): void {
    take(name)
    held.set(name, kept)
    size += sizeOf(name, kept)
    for (const oldest of held.keys()) {
      if (size <= limitBytes) break
      take(oldest)
    }
  }

  return async (repository, key, make) => {
    const name = `${repository} ${key}`
    // Read before the list is: what changes in between makes the answer one of an older revision, never of a later one.
    const revision = await changes.revision(repository)
    const known = take(name)
    const kept = known?.revision === revision ? known : { ...(await make()), revision }
    // Of a repository that nothing has ever changed, nothing would tell that it is gone.
    if (revision > 0) put(name, kept)
    return kept
  }
}

// The key holds what the client sent: many long ones with answers of a few bytes must not fill the memory.
function sizeOf(name: string, { body }: Kept): number {
  return body.byteLength + 2 * name.length + overheadBytes
}
