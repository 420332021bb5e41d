import type { Digest } from '../../modules/connected-registry/src/protocol/digest.ts'
import { parseManifest } from '../../modules/connected-registry/src/protocol/manifest.ts'
import type { Step, Writer } from './workload.ts'

/** What a repository shows: blobs and manifests by digest, tags by what they point at. */
export type Shown = ReadonlyMap<string, string>

/** A model of the registry, as small as can be: what one repository shows after the first steps of its writer. */
export function shownAfter(writer: Writer, count: number): Shown {
  const shown = new Map<string, string>()
  const named = namedBy(writer)
  for (const step of writer.steps.slice(0, count)) take(shown, step, named)
  return shown
}

interface Named {
  readonly blobs: readonly string[]
  readonly subject?: string
}

/** What each manifest of a writer names, by their keys. */
function namedBy({ steps }: Writer): ReadonlyMap<string, Named> {
  const manifests = steps.flatMap((step) => (step.kind === 'manifest' ? [step.manifest] : []))
  return new Map(
    manifests.map(({ descriptor, bytes }) => {
      const { blobs, subject } = parseManifest(bytes)
      const named = {
        blobs: blobs.map(({ digest }) => blobKey(digest)),
        subject: subject && manifestKey(subject.digest)
      }
      return [manifestKey(descriptor.digest), named]
    })
  )
}

/** A referrer goes with its subject, then the blobs that no manifest names any more. */
function collect(shown: Map<string, string>, named: ReadonlyMap<string, Named>): void {
  for (const key of shown.keys()) {
    const { subject } = named.get(key) ?? {}
    if (subject && !shown.has(subject)) shown.delete(key)
  }
  const used = new Set([...shown.keys()].flatMap((key) => named.get(key)?.blobs ?? []))
  for (const key of shown.keys()) if (key.startsWith('blob ') && !used.has(key)) shown.delete(key)
}

export const tagKey = (tag: string) => `tag ${tag}`
export const manifestKey = (digest: Digest) => `manifest ${digest}`
export const blobKey = (digest: Digest) => `blob ${digest}`

function take(shown: Map<string, string>, step: Step, named: ReadonlyMap<string, Named>): void {
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
      break
    case 'collect garbage':
      collect(shown, named)
  }
}

/** Every key a writer ever uses. */
export function keysOf({ steps }: Writer): ReadonlySet<string> {
  return new Set(
    steps.flatMap((step) => {
      if (step.kind === 'blob') return [blobKey(step.digest)]
      const tags = 'tag' in step && step.tag ? [tagKey(step.tag)] : []
      return step.kind === 'manifest' ? [manifestKey(step.manifest.descriptor.digest), ...tags] : tags
    })
  )
}
