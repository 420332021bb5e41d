import { randomUUID } from 'node:crypto'
import { parseDigest } from '../protocol/digest.ts'
import { keys } from '../storage/layout.ts'
import type { Entry, RecordStore } from '../storage/record-store.ts'
import type { ChangeLog } from './changes.ts'
import { removeLink } from './links.ts'
import { dropLink } from './manifest-links.ts'
import { getRepository, type LinkRecord, pages, type RepositoryRecord } from './records.ts'
import type { Origin, Repositories, RepositoryRemoval, TagRecord } from './registry.ts'
import { dropTag, tagOf } from './tags.ts'
import { commitDraft, type Draft, emptyDraft, retryConflicts } from './transaction.ts'

export interface RepositoriesDeps {
  readonly records: RecordStore
  readonly log: ChangeLog
}

/** Records removed in one batch, so that a large repository does not hold up everybody else's commits. */
const batchSize = 100

export function createRepositories({ records, log }: RepositoriesDeps): Repositories {
  return {
    has: async (repository) => (await getRepository(records, repository)) !== undefined,

    list: async ({ after, limit }) => {
      const last = after === undefined ? undefined : keys.repository(after)
      const page = await records.list(keys.repositories, { after: last, limit })
      return page.map(([key]) => key.slice(keys.repositories.length))
    },

    remove: (repository, origin, options) => {
      const isMark = (key: string) => key === keys.repository(repository)
      return retryConflicts(isMark, () => removeRepository({ ...options, records, log, repository, origin }))
    }
  }
}

interface Removal extends RepositoriesDeps, RepositoryRemoval {
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
  if (await removal.unless?.()) {
    await records.commit({ put: [[key, record]], expect: [[key, marked]] })
    return false
  }
  await removePages(removal, marked, keys.tags(repository), removeTag)
  await removePages(removal, marked, links, removeManifest)
  await removePages(removal, marked, links, removeRest)
  for (const prefix of notesOf(repository)) {
    await removePages(removal, marked, prefix, (draft, _, [noteKey]) => void draft.remove.push(noteKey))
  }
  const remove = [key, keys.updated(repository), keys.collected(repository)]
  await records.commit({ remove, expect: [[key, marked]] })
  return true
}

async function removePages(
  removal: Removal,
  marked: RepositoryRecord,
  prefix: string,
  remove: (draft: Draft, removal: Removal, entry: Entry) => void | Promise<void>
): Promise<void> {
  for await (const page of pages(removal.records, prefix, batchSize)) {
    const draft = emptyDraft()
    draft.expect.push([keys.repository(removal.repository), marked])
    for (const entry of page) await remove(draft, removal, entry)
    await commitDraft(removal.log, draft)
  }
}

function removeTag(draft: Draft, { repository, origin }: Removal, [key, value]: Entry): void {
  dropTag(draft, { repository, tag: tagOf(key), current: value as unknown as TagRecord, options: { origin } })
}

async function removeManifest(draft: Draft, removal: Removal, [key, value]: Entry): Promise<void> {
  const { records, repository, origin } = removal
  const digest = digestOf(removal, key)
  const link = value as LinkRecord
  if (!digest || !link.manifest) return
  draft.expect.push([key, link])
  await dropLink(records, draft, { repository, digest, origin }, link)
}

function removeRest(draft: Draft, removal: Removal, [key]: Entry): void {
  const digest = digestOf(removal, key)
  if (digest) removeLink(draft, { repository: removal.repository, digest })
}

/** The collector's notes on what is no longer here. */
function notesOf(repository: string): readonly string[] {
  return [
    keys.usesOf(repository),
    ...(['link', 'untagged'] as const).map((kind) => `${keys.reviews(kind)}${repository}:`)
  ]
}

function digestOf({ repository }: Removal, key: string) {
  return parseDigest(key.slice(keys.links(repository).length))
}
