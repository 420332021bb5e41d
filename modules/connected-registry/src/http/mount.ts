import { authorize, type Mode } from '../access/authorize.ts'
import { type Digest, parseDigest } from '../protocol/digest.ts'
import type { Blobs } from '../registry/registry.ts'
import type { Target } from './handler.ts'

/** Whether who asks may pull from a repository. */
export type MayRead = (target: Target, repository: string) => boolean

export function mayRead(mode: () => Mode): MayRead {
  return ({ identity }, repository) =>
    authorize({ identity, action: 'content/read', repository, mode: mode() }).kind === 'allowed'
}

export interface Mount {
  readonly target: Target
  readonly mount: string
  /** Left out: any repository that the client may read (distribution-spec, "Mounting a blob from another repository"). */
  readonly from?: string
}

const candidateLimit = 1000

/**
 * Links a blob from a repository that the client may read. Undefined: there is none, for whatever reason: a digest that is held
 * where the client may not look is answered like one that nobody holds (CVE-2024-39897).
 */
export async function mountBlob(
  blobs: Blobs,
  isReadable: MayRead,
  { target, mount, from }: Mount
): Promise<Digest | undefined> {
  const digest = parseDigest(mount)
  if (!digest) return undefined
  const sources = from === undefined ? firstOf(blobs.holders(digest), candidateLimit) : [from]
  for await (const source of sources) {
    if (!isReadable(target, source) || !(await blobs.stat(source, digest))) continue
    const descriptor = { digest, mediaType: 'application/octet-stream' }
    return (await blobs.link(target.repository, descriptor)) ? digest : undefined
  }
  return undefined
}

async function* firstOf<T>(items: AsyncIterable<T>, limit: number): AsyncGenerator<T> {
  let left = limit
  for await (const item of items) {
    if (left-- === 0) return
    yield item
  }
}
