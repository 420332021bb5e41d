import { RegistryError } from '../protocol/errors.ts'
import { nextLink, parsePage } from '../protocol/pagination.ts'
import type { Page, Registry } from '../registry/registry.ts'
import { answer, apiVersion, type Headers, type ReadyAnswer, readyJson } from './answer.ts'
import type { Handler } from './handler.ts'
import { keepAnswers } from './kept-answers.ts'

/** GET /v2/<name>/tags/list?n=&last=: one page, and a Link to the next one (distribution-spec, "Listing Tags"). */
export function getTags({ tags, repositories, changes }: Pick<Registry, 'tags' | 'repositories' | 'changes'>): Handler {
  const keep = keepAnswers(changes)
  return async (ctx, { repository }) => {
    const page = parsePage(ctx.query)
    const { headers, body } = await keep(repository, `${page.limit} ${page.after ?? ''}`, () => list(repository, page))
    answer(ctx, 200, headers, body)
  }

  async function list(repository: string, { limit, after }: Page): Promise<ReadyAnswer> {
    // One more than asked for: it tells whether there is a next page.
    const found = await tags.list(repository, { after, limit: limit + 1 })
    if (found.length === 0 && !(await repositories.has(repository))) {
      throw new RegistryError('NAME_UNKNOWN', { name: repository })
    }
    const names = found.slice(0, limit)
    const last = found.length > limit ? names.at(-1) : undefined
    return readyJson({ name: repository, tags: names }, { ...apiVersion, ...linkTo(repository, limit, last) })
  }
}

function linkTo(repository: string, n: number, last: string | undefined): Headers {
  return last === undefined ? {} : { Link: nextLink(`/v2/${repository}/tags/list`, { n, last }) }
}
