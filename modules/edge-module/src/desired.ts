import { isDeepStrictEqual } from 'node:util'
import { type Desired, type JsonObject, mergePatch } from './twin.ts'

/**
 * The desired document as we know it. The SDK's own is not used: it merges arrays index by index, and what it hands
 * out is sometimes a patch and sometimes the whole.
 */
export interface DesiredDocument {
  readonly version: number | undefined
  /** Takes what a GET brought as the truth; `heldBefore` is the version held when the GET was sent. */
  replace(document: Desired, heldBefore: number | undefined): void
  /** False: patches before this one were missed, and only a GET helps. Replayed and older ones change nothing. */
  apply(patch: JsonObject): boolean
}

export function createDesiredDocument(deliver: (document: Desired) => void): DesiredDocument {
  let held: Desired | undefined
  const version = () => held?.$version as number | undefined

  function hold(document: Desired): void {
    const { $metadata: _metadata, ...kept } = document
    if (isDeepStrictEqual(kept, held)) return
    held = kept
    deliver(kept)
  }

  return {
    get version() {
      return version()
    },
    replace(document, heldBefore) {
      // A patch overtook this answer, which tells of the time before it.
      const overtaken = version() !== heldBefore && (document.$version as number) < version()!
      if (!overtaken) hold(document)
    },
    apply(patch) {
      const known = version()
      if (known === undefined || typeof patch.$version !== 'number') return false
      if (patch.$version <= known) return true
      if (patch.$version !== known + 1) return false
      hold(mergePatch(held, patch))
      return true
    }
  }
}
