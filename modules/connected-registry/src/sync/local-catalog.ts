import type { Descriptor } from '../protocol/descriptor.ts'
import type { Registry } from '../registry/registry.ts'

const pageSize = 1000

/** What is here, read in pages to its end. */
export async function* repositoriesHere({ repositories }: Registry): AsyncGenerator<string> {
  yield* eachOf(
    (after) => repositories.list({ after, limit: pageSize }),
    (name) => name
  )
}

export async function* tagsHere({ tags }: Registry, repository: string): AsyncGenerator<string> {
  yield* eachOf(
    (after) => tags.list(repository, { after, limit: pageSize }),
    (tag) => tag
  )
}

export async function* manifestsHere({ manifests }: Registry, repository: string): AsyncGenerator<Descriptor> {
  yield* eachOf(
    (after) => manifests.list(repository, { after, limit: pageSize }),
    ({ digest }) => digest
  )
}

async function* eachOf<T>(
  list: (after: string | undefined) => Promise<readonly T[]>,
  nameOf: (item: T) => string
): AsyncGenerator<T> {
  for (let after: string | undefined; ; ) {
    const page = await list(after)
    yield* page
    if (page.length < pageSize) return
    after = nameOf(page.at(-1)!)
  }
}
