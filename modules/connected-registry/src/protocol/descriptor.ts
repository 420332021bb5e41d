import type { Digest } from './digest.ts'

/** image-spec, "OCI Content Descriptors": what a piece of content is, by type, digest and size in bytes. */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly platform?: Platform
}

export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string
}

/** Which manifests of an index are wanted, beside those they stand with. */
export type ChildChoice = (child: Descriptor, siblings: readonly Descriptor[]) => boolean
