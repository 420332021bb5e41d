import { RegistryError } from '../protocol/errors.ts'
import type { Registry } from '../registry/registry.ts'
import { answer, answerJson } from './answer.ts'
import { type Handler, originOf } from './handler.ts'

/** DELETE /acr/v1/<name>: the repository with all its tags and manifests. 202 with what was in it (ACR, "Data plane"). */
export function deleteRepository({ repositories, metadata }: Pick<Registry, 'repositories' | 'metadata'>): Handler {
  return async (ctx, target) => {
    const { repository } = target
    const everything = { order: 'name', limit: Number.POSITIVE_INFINITY } as const
    const tags = await metadata.tags(repository, everything)
    const manifests = await metadata.manifests(repository, everything)
    const removed = await repositories.remove(repository, originOf(target)).catch(refuseWhileWritten)
    if (!removed) throw new RegistryError('NAME_UNKNOWN', { name: repository })
    const manifestsDeleted = manifests.map(({ digest }) => digest)
    answerJson(ctx, 202, { manifestsDeleted, tagsDeleted: tags.map(({ name }) => name) })
  }
}

/** DELETE /acr/v1/<name>/_tags/<tag>: the manifest stays. */
export function deleteTag({ tags }: Pick<Registry, 'tags'>): Handler {
  return async (ctx, target) => {
    const removed = await tags.remove(target.repository, target.reference, { origin: originOf(target) })
    if (!removed) throw new RegistryError('TAG_UNKNOWN', { name: target.reference })
    answer(ctx, 202, { 'Content-Length': 0 })
  }
}

/** PATCH /acr/v1/<name>, a tag's or a manifest's attributes: they are locks, and a connected registry has none (ACR, "Data plane"). */
export const refuseLocks: Handler = () => {
  const attributes = ['deleteEnabled', 'writeEnabled', 'listEnabled', 'readEnabled']
  throw new RegistryError('UNSUPPORTED', { attributes }, `locking is not supported: ${attributes.join(', ')}`)
}

// Whoever writes to a repository stops its removal: what is new must not go with what was there.
function refuseWhileWritten(error: unknown): never {
  if (!(error instanceof Error && 'code' in error && error.code === 'CONFLICT')) throw error
  throw new RegistryError('TOOMANYREQUESTS', undefined, 'the repository is being written to; what is left of it stays')
}
