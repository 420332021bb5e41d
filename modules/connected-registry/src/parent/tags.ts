import { z } from 'zod'
import { isTag } from '../protocol/reference.ts'
import { readJson } from './answer.ts'
import { pageSizeLimit, pages } from './pages.ts'
import { type ParentLink, scopes } from './parent-link.ts'

// Go writes null for an empty list. A body without `tags` is no list at all, and must not pass for an empty one.
const tagList = z.object({ name: z.string(), tags: z.array(z.string().refine(isTag)).nullable() })

/**
 * Every tag of the repository once, in the parent's order. Complete when it ends; otherwise it throws ParentError, also after some
 * tags: NAME_UNKNOWN, DENIED and the like say nothing about which tags there are.
 */
export async function* listTags(link: ParentLink, repository: string, signal: AbortSignal): AsyncGenerator<string> {
  // No `n`: a registry that cuts a list to it without a link to the rest would look complete.
  const request = { operation: 'tags', path: `/v2/${repository}/tags/list`, scope: scopes.pull(repository), signal }
  const seen = new Set<string>()
  for await (const page of pages(link, { ...request, read: (answer) => readJson(answer, tagList, pageSizeLimit) })) {
    // Where pages go by offset, a push meanwhile moves the last of one to the next: of the newest two it must not be two.
    const fresh = new Set(page.tags ?? []).difference(seen)
    for (const tag of fresh) seen.add(tag)
    yield* fresh
  }
}
