import { randomUUID } from 'node:crypto'
import { parseDigest } from '../protocol/digest.ts'
import { keys } from '../storage/layout.ts'
import type { Entry, RecordStore } from '../storage/record-store.ts'
import type { ChangeLog } from './changes.ts'
import { dropLink } from './manifest-links.ts'
import { getRepository, type LinkRecord, pages, type RepositoryRecord } from './records.ts'
import type { Origin, Repositories, TagRecord } from './registry.ts'
import { dropTag, tagOf } from './tags.ts'
import { type Draft, emptyDraft, retryConflicts } from './transaction.ts'

export interface RepositoriesDeps {
  readonly records: RecordStore
  readonly log: ChangeLog
}

/** Records removed in one batch, so that a large repository does not hold up everybody else's commits. */
const batchSize = 200

export function createRepositories({ records, log }: RepositoriesDeps): Repositories {
  return {
    has: async (repository) => (await getRepository(records, repository)) !== undefined,

    list: async ({ after, limit }) => {
      const last = after === undefined ? undefined : keys.repository(after)
      const page = await records.list(keys.repositories, { after: last, limit })
      return page.map(([key]) => key.slice(keys.repositories.length))
    },

    remove: (repository, origin) => {
      const isMark = (key: string) => key === keys.repository(repository)
      return retryConflicts(isMark, () => removeRepository({ records, log, repository, origin }))
    }
  }
}

interface Removal extends RepositoriesDeps {
  readonly repository: string
  readonly origin: Origin
}

// Every batch expects the mark of this very removal: ConflictError, and what is left stays, when somebody writes here meanwhile.
// The same call again goes on after a crash.
async function removeRepository(removal: Removal): Promise<boolean> {
  const { records, repository } = removal
  const key = keys.repository(repository)
  const links = keys.links(repository)
  const record = await getRepository(records, repository)
  if (!record) return false
  const marked = { ...record, removal: randomUUID() }
  await records.commit({ put: [[key, marked]], expect: [[key, record]] })
  await removePages(removal, marked, keys.tags(repository), removeTag)
  await removePages(removal, marked, links, removeManifest)
  await removePages(removal, marked, links, (draft, _, [linkKey]) => draft.remove.push(linkKey))
  await records.commit({ remove: [key], expect: [[key, marked]] })
  return true
}

async function removePages(
  { records, log, repository, origin }: Removal,
  marked: RepositoryRecord,
  prefix: string,
  remove: (draft: Draft, target: { repository: string; origin: Origin }, entry: Entry) => void
): Promise<void> {
  for await (const page of pages(records, prefix, batchSize)) {
    const draft = emptyDraft()
    draft.expect.push([keys.repository(repository), marked])
    for (const entry of page) remove(draft, { repository, origin }, entry)
    if (draft.put.length > 0 || draft.remove.length > 0) await log.commit(draft.changes, draft)
  }
}

function removeTag(draft: Draft, { repository, origin }: { repository: string; origin: Origin }, [key, value]: Entry) {
  dropTag(draft, { repository, tag: tagOf(key), current: value as unknown as TagRecord, options: { origin } })
}

function removeManifest(draft: Draft, target: { repository: string; origin: Origin }, [key, value]: Entry) {
  const digest = parseDigest(key.slice(keys.links(target.repository).length))
  const link = value as LinkRecord
  if (!digest || !link.manifest) return
  draft.expect.push([key, link])
  dropLink(draft, { ...target, digest }, link)
}
