import type { Digest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import { isTag } from '../protocol/reference.ts'
import { keys } from '../storage/layout.ts'
import { ConflictError, type RecordStore } from '../storage/record-store.ts'
import type { ChangeLog } from './changes.ts'
import { holdManifest, holdRepository } from './holds.ts'
import { getTag, pages } from './records.ts'
import type { MoveOptions, TagOptions, TagRecord, Tags } from './registry.ts'
import { type Draft, type Terms, transact } from './transaction.ts'

export interface TagsDeps {
  readonly records: RecordStore
  readonly log: ChangeLog
  readonly now: () => Date
}

export function createTags({ records, log, now }: TagsDeps): Tags {
  return {
    get: (repository, tag) => getTag(records, repository, tag),

    list: async (repository, { after, limit }) => {
      const last = after === undefined ? undefined : keys.tag(repository, after)
      const page = await records.list(keys.tags(repository), { after: last, limit })
      return page.map(([key]) => tagOf(key))
    },

    put: async (repository, tag, digest, options) => {
      await transact(log, termsOf(repository, tag, options), async (draft) => {
        await holdRepository(records, draft, repository, now)
        const { mediaType, size } = await holdManifest(records, draft, repository, digest)
        const target = { digest, mediaType, size, updatedAt: now().toISOString() }
        const former = await getTag(records, repository, tag)
        await moveTag(records, draft, { repository, tag, target, options })
        await keepFormer(repository, draft, former, options)
      })
    },

    remove: (repository, tag, options) =>
      transact(log, termsOf(repository, tag, options), async (draft) => {
        const current = await getTag(records, repository, tag)
        refuseOther(keys.tag(repository, tag), current, options)
        if (!current) return false
        await options.lastLook?.()
        dropTag(draft, { repository, tag, current, options })
        await keepFormer(repository, draft, current, options)
      })
  }

  async function keepFormer(
    repository: string,
    draft: Draft,
    former: TagRecord | undefined,
    { keepAs }: TagOptions
  ): Promise<undefined> {
    if (keepAs === undefined || !former) return
    await holdManifest(records, draft, repository, former.digest)
    const target = { ...former, updatedAt: now().toISOString() }
    // It loses one tag and gets another.
    draft.reviews.delete(keys.untaggedReview(repository, former.digest))
    await moveTag(records, draft, { repository, tag: keepAs, target, options: { origin: 'sync' } })
  }
}

/** With `expect` the tag is the caller's matter: a conflict over it is not ours to settle. */
export function termsOf(repository: string, tag: string | undefined, { along, expect }: MoveOptions): Terms {
  return { along, expected: tag === undefined || expect === undefined ? undefined : keys.tag(repository, tag) }
}

interface TagMove {
  readonly repository: string
  readonly tag: string
  readonly target: TagRecord
  readonly options: MoveOptions
}

/** Adds the move to the draft, unless the tag is there already. Who calls has seen to it that the target is linked. */
export async function moveTag(
  records: RecordStore,
  draft: Draft,
  { repository, tag, target, options }: TagMove
): Promise<void> {
  if (!isTag(tag)) throw new RegistryError('TAG_INVALID', { tag })
  const key = keys.tag(repository, tag)
  const current = await getTag(records, repository, tag)
  refuseOther(key, current, options)
  draft.expect.push([key, current && { ...current }])
  if (current?.digest === target.digest) return
  const { digest, mediaType, size } = target
  const createdAt = current ? (current.createdAt ?? current.updatedAt) : target.updatedAt
  draft.put.push([key, { ...target, createdAt }], [keys.tagged(repository, target.digest, tag), true])
  draft.remove.push(keys.untaggedReview(repository, target.digest))
  if (current) leaveTarget(draft, repository, tag, current.digest)
  draft.changes.push({ action: 'tag', repository, tag, digest, mediaType, size, origin: options.origin })
}

/** Adds the removal of a tag, as it is now, to the draft. */
export function dropTag(
  draft: Draft,
  { repository, tag, current, options }: Omit<TagMove, 'target'> & { readonly current: TagRecord }
): void {
  const key = keys.tag(repository, tag)
  const { digest, mediaType, size } = current
  draft.expect.push([key, { ...current }])
  draft.remove.push(key)
  leaveTarget(draft, repository, tag, digest)
  draft.changes.push({ action: 'untag', repository, tag, digest, mediaType, size, origin: options.origin })
}

/** It may have been the last tag there. */
function leaveTarget(draft: Draft, repository: string, tag: string, digest: Digest): void {
  draft.remove.push(keys.tagged(repository, digest, tag))
  draft.reviews.set(keys.untaggedReview(repository, digest), {})
}

/** Every tag that points at the digest. */
export async function tagsAt(
  records: RecordStore,
  repository: string,
  digest: Digest
): Promise<readonly (readonly [tag: string, record: TagRecord])[]> {
  const found: (readonly [string, TagRecord])[] = []
  const prefix = keys.taggedAt(repository, digest)
  for await (const page of pages(records, prefix, 1000)) {
    for (const [key] of page) {
      const tag = key.slice(prefix.length)
      const record = await getTag(records, repository, tag)
      if (record?.digest === digest) found.push([tag, record])
    }
  }
  return found
}

export function tagOf(key: string): string {
  return key.slice(key.lastIndexOf(' ') + 1)
}

function refuseOther(key: string, current: TagRecord | undefined, { expect }: MoveOptions): void {
  if (expect !== undefined && (current?.digest ?? null) !== expect) throw new ConflictError(key)
}
