import type { StoredManifest } from '../../modules/connected-registry/src/protocol/content.ts'
import type { Digest } from '../../modules/connected-registry/src/protocol/digest.ts'
import { anImage, anIndex, aReferrer, type BuiltImage, manifestsOf } from '../fixtures/image-builder.ts'
import { type Chance, createChance } from './chance.ts'

/** One thing a client of the registry may ask for, and be told that it is done. */
export type Step =
  | { readonly kind: 'blob'; readonly digest: Digest; readonly bytes: Uint8Array }
  | { readonly kind: 'manifest'; readonly manifest: StoredManifest; readonly tag?: string }
  | { readonly kind: 'tag'; readonly tag: string; readonly digest: Digest }
  | { readonly kind: 'untag'; readonly tag: string }
  | { readonly kind: 'delete'; readonly digest: Digest }
  | { readonly kind: 'remove repository' }
  /** Long after everything before it. All writers meet here, so that nothing is on its way. */
  | { readonly kind: 'collect garbage' }

/** Works on one repository of its own, a step after the other; the writers of a workload work side by side. */
export interface Writer {
  readonly repository: string
  readonly steps: readonly Step[]
}

export interface WorkloadSize {
  readonly writers: number
  readonly rounds: number
}

/** The same steps for the same seed. Some blobs and images are the same in every repository. */
export function aWorkload(seed: string, { writers, rounds }: WorkloadSize): readonly Writer[] {
  return Array.from({ length: writers }, (_, number) => {
    const chance = createChance([...`${seed} ${number}`].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7))
    const steps = Array.from({ length: rounds }, (_, round): readonly Step[] => [
      ...aRound(seed, number, round, chance),
      ...(round % 2 === 1 ? [{ kind: 'collect garbage' } as const] : [])
    ])
    return { repository: `${seed}/${number}`, steps: steps.flat() }
  })
}

function aRound(seed: string, number: number, round: number, chance: Chance): readonly Step[] {
  const name = `${seed} ${round % 3 === 0 ? 'shared' : number} ${round}`
  const image = anImage({ seed: name, layers: 1, layerSize: chance.pick([300, 5_000, 40_000]) })
  const index = anIndex([image, anImage({ seed: `${name} other`, layerSize: 700 })])
  const signature = aReferrer(image, { artifactType: 'application/example.signature' })
  const { digest } = image.manifest.descriptor
  const all: readonly Step[] = [
    ...push(image, 'latest'),
    ...push(signature),
    ...(round % 2 === 0 ? push(index, `v${round}`) : [{ kind: 'tag', tag: `v${round}`, digest } as const])
  ]
  // An image that an index names stays: without it the index would not be whole.
  const ends: readonly Step[] = [
    { kind: 'untag', tag: `v${round}` },
    { kind: 'delete', digest: round % 2 === 0 ? index.manifest.descriptor.digest : digest },
    { kind: 'delete', digest: signature.manifest.descriptor.digest }
  ]
  const last = chance.below(8) === 0 ? [{ kind: 'remove repository' } as const] : [chance.pick(ends)]
  return [...all, ...last]
}

function push(image: BuiltImage, tag?: string): readonly Step[] {
  const blobs = [image, ...image.children].flatMap((one) => [...one.blobs])
  return [
    ...blobs.map(([digest, bytes]): Step => ({ kind: 'blob', digest, bytes })),
    ...manifestsOf(image).map((manifest): Step => {
      return { kind: 'manifest', manifest, tag: manifest === image.manifest ? tag : undefined }
    })
  ]
}
