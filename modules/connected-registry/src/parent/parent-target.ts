import type { ContentTarget, StoredManifest } from '../protocol/content.ts'
import type { Descriptor } from '../protocol/descriptor.ts'
import type { Digest } from '../protocol/digest.ts'
import { hasBlob, type UploadRequest, uploadBlob } from './blob-upload.ts'
import { headManifest } from './manifests.ts'
import { ParentError } from './parent-error.ts'
import type { ParentLink } from './parent-link.ts'
import { createParentWriter } from './writes.ts'

/** A repository above as copying sees it, and what is done there at the end of a copy. */
export interface ParentTarget extends ContentTarget {
  putTag(tag: string, manifest: StoredManifest): Promise<void>
  removeTag(tag: string): Promise<void>
  removeManifest(digest: Digest): Promise<void>
}

export interface ParentTargetOptions extends Pick<UploadRequest, 'signal' | 'sessions' | 'onBytes'> {
  /** Another repository above that may hold the blob. */
  readonly mountFrom?: (descriptor: Descriptor) => Promise<string | undefined>
}

export function createParentTarget(
  link: ParentLink,
  repository: string,
  isAcr: (signal: AbortSignal) => Promise<boolean>,
  { signal, sessions, onBytes, mountFrom }: ParentTargetOptions
): ParentTarget {
  const writer = createParentWriter(link, repository, isAcr)
  return {
    hasManifest: async (digest) => {
      const reference = { kind: 'digest', digest } as const
      return (await unlessNew(() => headManifest(link, { repository, reference, signal }))) !== undefined
    },
    adoptBlob: (descriptor) => hasBlob(link, repository, descriptor, signal),
    async putBlob(descriptor, source, uploading) {
      const from = await mountFrom?.(descriptor)
      const request = { repository, descriptor, source, signal: uploading, sessions, onBytes }
      await uploadBlob(link, from === undefined ? request : { ...request, mountFrom: from })
    },
    putManifest: (manifest) =>
      writer.putManifest({ kind: 'digest', digest: manifest.descriptor.digest }, manifest, signal),
    putTag: (tag, manifest) => writer.putManifest({ kind: 'tag', tag }, manifest, signal),
    removeTag: (tag) => writer.removeTag(tag, signal),
    removeManifest: (digest) => writer.removeManifest(digest, signal)
  }
}

/** A repository that the parent does not know yet begins with its first content. */
export async function unlessNew<T>(ask: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof ParentError && error.code === 'NAME_UNKNOWN') return undefined
    throw error
  }
}
