import type { Digest } from '../../modules/connected-registry/src/protocol/digest.ts'
import type { Step, Writer } from './workload.ts'

/** What a repository shows: blobs and manifests by digest, tags by what they point at. */
export type Shown = ReadonlyMap<string, string>

/** A model of the registry, as small as can be: what one repository shows after the first steps of its writer. */
export function shownAfter({ steps }: Writer, count: number): Shown {
  const shown = new Map<string, string>()
  for (const step of steps.slice(0, count)) take(shown, step)
  return shown
}

export const tagKey = (tag: string) => `tag ${tag}`
export const manifestKey = (digest: Digest) => `manifest ${digest}`
export const blobKey = (digest: Digest) => `blob ${digest}`

function take(shown: Map<string, string>, step: Step): void {
  switch (step.kind) {
    case 'blob':
      shown.set(blobKey(step.digest), step.digest)
      break
    case 'manifest': {
      const { digest } = step.manifest.descriptor
      shown.set(manifestKey(digest), digest)
      if (step.tag) shown.set(tagKey(step.tag), digest)
      break
    }
    case 'tag':
      shown.set(tagKey(step.tag), step.digest)
      break
    case 'untag':
      shown.delete(tagKey(step.tag))
      break
    case 'delete':
      for (const [key, digest] of shown) if (key.startsWith('tag ') && digest === step.digest) shown.delete(key)
      shown.delete(manifestKey(step.digest))
      break
    case 'remove repository':
      shown.clear()
  }
}

/** Every key a writer ever uses. */
export function keysOf({ steps }: Writer): ReadonlySet<string> {
  const keys = new Set<string>()
  const shown = new Map<string, string>()
  for (const step of steps) {
    take(shown, step)
    for (const key of shown.keys()) keys.add(key)
  }
  return keys
}
