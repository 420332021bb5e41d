import type { Digest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import { isRepositoryName } from '../protocol/reference.ts'
import { keys } from '../storage/layout.ts'
import type { RecordStore } from '../storage/record-store.ts'
import { getLink, getRepository, type LinkRecord } from './records.ts'
import type { Draft } from './transaction.ts'

/**
 * Expects the repository to be as it is now, and creates it with its first content. Who writes to a repository stops a removal of
 * it that is under way, so that nothing new loses what it was built on. Throws RegistryError NAME_INVALID.
 */
export async function holdRepository(
  records: RecordStore,
  draft: Draft,
  repository: string,
  now: () => Date
): Promise<void> {
  if (!isRepositoryName(repository)) throw new RegistryError('NAME_INVALID', { repository })
  const key = keys.repository(repository)
  const known = await getRepository(records, repository)
  draft.expect.push([key, known])
  if (!known || known.removal) draft.put.push([key, { createdAt: known?.createdAt ?? now().toISOString() }])
}

/**
 * Expects the manifest to be linked as it is now. Who points a tag at it stops a removal of it that is under way: that one has not
 * seen this tag. Throws RegistryError MANIFEST_UNKNOWN.
 */
export async function holdManifest(
  records: RecordStore,
  draft: Draft,
  repository: string,
  digest: Digest
): Promise<LinkRecord> {
  const link = await getLink(records, repository, digest)
  if (!link?.manifest) throw new RegistryError('MANIFEST_UNKNOWN', { repository, digest })
  const key = keys.link(repository, digest)
  const { removal, ...held } = link
  draft.expect.push([key, link])
  if (removal) draft.put.push([key, held])
  return link
}

/**
 * Expects a subject to be as it is now, there or not: who removes it while something is attached to it meets this one, and what is
 * attached to it just before it is removed is not overlooked. False: it is not here.
 */
export async function holdSubject(
  records: RecordStore,
  draft: Draft,
  repository: string,
  digest: Digest
): Promise<boolean> {
  const key = keys.link(repository, digest)
  const link = await getLink(records, repository, digest)
  draft.expect.push([key, link])
  if (!link?.manifest) return false
  const { removal, ...held } = link
  if (removal) draft.put.push([key, held])
  return true
}
