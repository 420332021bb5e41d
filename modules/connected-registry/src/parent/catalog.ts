import { z } from 'zod'
import { isRepositoryName } from '../protocol/reference.ts'
import { type Answer, readJson } from './answer.ts'
import { pageSizeLimit, pages } from './pages.ts'
import { type ParentLink, scopes } from './parent-link.ts'

const repositoryList = z.object({ repositories: z.array(z.string()).nullable() })

/**
 * Every repository of the parent that our token may see. A name that our own grammar does not know could not be served, and is
 * left out. Throws ParentError UNAUTHORIZED or DENIED where the token is bound to repositories, as ACR's are.
 */
export async function* listRepositories(link: ParentLink, signal: AbortSignal): AsyncGenerator<string> {
  const read = (answer: Answer) => readJson(answer, repositoryList, pageSizeLimit)
  const request = { operation: 'catalog', path: '/v2/_catalog', scope: scopes.catalog, signal, read }
  for await (const { repositories } of pages(link, request)) {
    for (const name of repositories ?? []) {
      if (isRepositoryName(name)) yield name
      else link.log.debug({ name: name.slice(0, 255) }, 'repository left out: its name cannot be served')
    }
  }
}
