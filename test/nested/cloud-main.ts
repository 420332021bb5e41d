import { isDeepStrictEqual } from 'node:util'
import { fillCloud } from '../fixtures/fill-cloud.ts'
import { anImage, type ImageOptions } from '../fixtures/image-builder.ts'
import { type CloudRegistry, createCloudRegistry } from '../simulators/cloud-registry/cloud-registry.ts'
import type { CloudToken } from '../simulators/cloud-registry/tokens.ts'
import type { Tags } from './layer-main.ts'
import { serve } from './program.ts'
import type { Content } from './site-content.ts'

// The cloud, in a namespace of its own.

export interface CloudCommands {
  start(options: {
    readonly host: string
    readonly loginPort: number
    readonly dataPort: number
    readonly tokens: readonly CloudToken[]
  }): Promise<void>
  /** The digest. `plant/line` has the tag `base` from the start. */
  put(repository: string, tag: string, image: ImageOptions): Promise<string>
  untag(repository: string, tag: string): Promise<boolean>
  tags(repository: string): Promise<Tags>
  content(repositories: readonly string[]): Promise<Content>
  /** Resolves when the repository has these tags and no others; looked at whenever a request comes in. */
  untilTags(repository: string, expected: Tags, patienceMs: number): Promise<void>
}

let cloud: CloudRegistry | undefined

function running(): CloudRegistry {
  if (!cloud) throw new Error('the cloud was not started')
  return cloud
}

function tagsOf(repository: string): Tags {
  const tags = [...(running().contents.repository(repository)?.tags ?? [])].map(([tag, { digest }]) => [tag, digest])
  return Object.fromEntries(tags.toSorted())
}

const commands: CloudCommands = {
  async start(options) {
    cloud = createCloudRegistry(options)
    fillCloud(cloud.contents, { largeSize: 0 })
    cloud.contents.put('plant/line', anImage({ seed: 'base' }), 'base')
    await cloud.start()
  },
  async put(repository, tag, options) {
    const image = anImage(options)
    running().contents.put(repository, image, tag)
    return image.manifest.descriptor.digest
  },
  untag: async (repository, tag) => running().contents.untag(repository, tag),
  tags: async (repository) => tagsOf(repository),
  async content(repositories) {
    const entries = repositories.map((repository) => {
      const manifests = [...(running().contents.repository(repository)?.manifests.keys() ?? [])].toSorted()
      return [repository, { tags: tagsOf(repository), manifests }] as const
    })
    return Object.fromEntries(entries)
  },
  async untilTags(repository, expected, patienceMs) {
    const signal = AbortSignal.timeout(patienceMs)
    while (!isDeepStrictEqual(tagsOf(repository), expected)) {
      await running()
        .nextRequest({}, signal)
        .catch(() => {
          throw new Error(`after ${patienceMs} ms ${repository} has ${JSON.stringify(tagsOf(repository))}`)
        })
    }
  }
}

serve({ ...commands }, async () => {
  await cloud?.stop()
})
