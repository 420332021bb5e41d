import { randomUUID } from 'node:crypto'
import { keys } from '../storage/layout.ts'
import { ConflictError } from '../storage/record-store.ts'
import type { KeptReason } from './garbage.ts'
import type { Collection, Outcome } from './garbage-run.ts'
import { hasSubject, isTagged, isUsed, removeLink } from './links.ts'
import { dropLink, markLink } from './manifest-links.ts'
import { getLink, type LinkRecord } from './records.ts'
import type { QueuedReview } from './reviews.ts'
import { batchOf, type Draft, emptyDraft } from './transaction.ts'

/** A blob that no manifest of its repository may name, or a referrer whose subject was removed. */
export async function reviewLink(collection: Collection, queued: QueuedReview): Promise<Outcome> {
  const { repository, digest, review } = queued
  const link = await getLink(collection.records, repository, digest)
  if (!link) return kept('gone')
  if (!link.manifest) return reviewBlob(collection, queued, link)
  // Without a subject it is no referrer: then only its tags and `untaggedAfter` count.
  if (review.cause !== 'subject' || !link.subject) return kept('linked')
  return reviewManifest(collection, queued, link)
}

/** A manifest that lost a tag, or came without one. */
export async function reviewUntagged(collection: Collection, queued: QueuedReview): Promise<Outcome> {
  const { records, policy } = collection
  const { repository, digest, review } = queued
  const link = await getLink(records, repository, digest)
  if (!link?.manifest) return kept('gone')
  const reason = await reasonToKeep(collection, queued, link)
  // Under an index it goes on waiting: from when its own tag left, not from when the index goes.
  if (reason) return reason === 'used' ? again(reason) : kept(reason)
  if (await policy.isWanted(repository, digest, review.since)) return again('wanted')
  return removeManifest(collection, queued, link)
}

/** Whoever comes to name the blob takes its review away in the same batch, and whoever links it again renews it. */
async function reviewBlob(collection: Collection, queued: QueuedReview, link: LinkRecord): Promise<Outcome> {
  const { records, policy, dryRun, now } = collection
  const { key, repository, digest, review } = queued
  if (await isUsed(records, queued)) return kept('used')
  if (review.cause === 'linked' && (await policy.isWanted(repository, digest, review.since))) return again('wanted')
  if (dryRun) return { kind: 'link' }
  const draft = emptyDraft()
  draft.expect.push([key, review], [keys.link(repository, digest), link])
  removeLink(draft, queued, review.since)
  await records.commit(batchOf(draft, now))
  return { kind: 'link' }
}

async function reviewManifest(collection: Collection, queued: QueuedReview, link: LinkRecord): Promise<Outcome> {
  const reason = await reasonToKeep(collection, queued, link)
  return reason ? kept(reason) : removeManifest(collection, queued, link)
}

/** No log entries: who reads the log is told what was pushed and deleted, and nobody did either. */
async function removeManifest(collection: Collection, queued: QueuedReview, link: LinkRecord): Promise<Outcome> {
  const { records, dryRun, now } = collection
  const { repository, digest, review } = queued
  if (dryRun) return { kind: 'manifest' }
  const draft = await markForRemoval(collection, queued, link)
  if (await reasonToKeep(collection, queued, link)) return restore(collection, draft, queued, link)
  // Its subject may come in this moment: then it is wanted.
  if (link.subject) await expectNoSubject(collection, draft, repository, link)
  await dropLink(records, draft, { repository, digest, origin: 'sync', since: review.since }, link)
  // Nobody expects it, so that removals from one repository do not wait for each other over it.
  draft.put.push([keys.collected(repository), randomUUID()])
  await records.commit(batchOf(draft, now))
  return { kind: 'manifest' }
}

/**
 * Marks the link, so that whoever puts a tag, an index or a referrer on it takes the mark away; the draft that removes it expects
 * the mark. What came before the mark is found by asking again, what comes after it makes the draft fail.
 */
async function markForRemoval({ records }: Collection, queued: QueuedReview, link: LinkRecord): Promise<Draft> {
  const draft = emptyDraft()
  const marked = await markLink(records, queued, link)
  draft.expect.push([keys.link(queued.repository, queued.digest), marked], [queued.key, queued.review])
  return draft
}

async function restore(collection: Collection, draft: Draft, queued: QueuedReview, link: LinkRecord): Promise<Outcome> {
  const { removal: _, ...held } = link
  const expect = draft.expect.slice(0, 1)
  try {
    await collection.records.commit({ put: [[keys.link(queued.repository, queued.digest), held]], expect })
  } catch (error) {
    // Somebody took the mark away already.
    if (!(error instanceof ConflictError)) throw error
  }
  return again('busy')
}

async function expectNoSubject({ records }: Collection, draft: Draft, repository: string, { subject }: LinkRecord) {
  const link = subject && (await getLink(records, repository, subject))
  if (link?.manifest) throw new ConflictError(keys.link(repository, subject!))
  if (subject) draft.expect.push([keys.link(repository, subject), link])
}

async function reasonToKeep(
  { records }: Collection,
  queued: QueuedReview,
  link: LinkRecord
): Promise<KeptReason | undefined> {
  if (await isTagged(records, queued)) return 'tagged'
  if (await isUsed(records, queued)) return 'used'
  if (await hasSubject(records, queued.repository, link)) return 'subject'
  return undefined
}

function kept(reason: KeptReason): Outcome {
  return { kind: 'kept', reason }
}

function again(reason: KeptReason): Outcome {
  return { kind: 'kept', reason, again: true }
}
