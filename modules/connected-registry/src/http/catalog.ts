import { mayList } from '../access/authorize.ts'
import type { Identity } from '../access/tokens.ts'
import { nextLink, parsePage, type RequestedPage } from '../protocol/pagination.ts'
import type { Repositories } from '../registry/registry.ts'
import { answerJson, apiVersion, type Headers } from './answer.ts'
import type { Handler } from './handler.ts'

/**
 * GET /v2/_catalog?n=&last= and GET /acr/v1/_catalog: the repositories that are here and that this client may read, in byte order
 * (ACR, "On the connected registry").
 */
export function getCatalog(repositories: Repositories, path: '/v2/_catalog' | '/acr/v1/_catalog'): Handler {
  return async (ctx, { identity }) => {
    const { limit, after } = parsePage(ctx.query)
    const found = identity ? await readable(repositories, identity, { after, limit: limit + 1 }) : []
    const names = found.slice(0, limit)
    const last = found.length > limit ? names.at(-1) : undefined
    const next: Headers = last === undefined ? {} : { Link: nextLink(path, { n: limit, last }) }
    answerJson(ctx, 200, { repositories: names }, { ...apiVersion, ...next })
  }
}

const scanned = 1000

async function readable(
  repositories: Repositories,
  identity: Identity,
  page: RequestedPage
): Promise<readonly string[]> {
  const found: string[] = []
  let { after } = page
  for (;;) {
    const names = await repositories.list({ after, limit: scanned })
    found.push(...names.filter((name) => mayList(identity, name)))
    after = names.at(-1)
    if (names.length < scanned || found.length >= page.limit) return found.slice(0, page.limit)
  }
}
