import { ParentError } from '../parent/parent-error.ts'
import type { ParentRepository } from '../parent/parent-registry.ts'

export interface EarlyTags {
  readonly tags: AsyncIterable<string>
  /** Ends the question, where it was not answered yet. */
  end(): Promise<void>
}

/** A list of tags whose first page is asked for at once. Whoever reads it learns how that went. */
export function listEarly(repository: Pick<ParentRepository, 'listTags'>, signal: AbortSignal): EarlyTags {
  const over = new AbortController()
  const list = repository.listTags(AbortSignal.any([signal, over.signal]))[Symbol.asyncIterator]()
  const first = list.next()
  first.catch(() => undefined)

  async function* tags(): AsyncGenerator<string> {
    const next = await first.catch((error: unknown) => {
      // Where a single request may find out whether the parent is back, it was the one beside this one.
      if (error instanceof ParentError && error.code === 'BREAKER_OPEN') return undefined
      throw error
    })
    if (!next) return yield* repository.listTags(signal)
    for (let each = next; !each.done; each = await list.next()) yield each.value
  }

  return {
    tags: tags(),
    async end() {
      over.abort()
      await Promise.allSettled([first])
    }
  }
}
