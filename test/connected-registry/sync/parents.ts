import type { TestContext } from 'node:test'
import {
  type ParentConnection,
  parseConnectionString
} from '../../../modules/connected-registry/src/protocol/connection-string.ts'
import { type Digest, parseDigest } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { manifestMediaTypes } from '../../../modules/connected-registry/src/protocol/media-types.ts'
import { type ForeignRegistry, startForeignRegistry } from '../../fixtures/foreign-registry.ts'
import type { BuiltImage } from '../../fixtures/image-builder.ts'
import { basicAuthorization, pushImage } from '../../fixtures/push-image.ts'
import { requireTool } from '../../fixtures/tools.ts'
import {
  type CloudRegistry,
  type CloudRegistryOptions,
  createCloudRegistry
} from '../../simulators/cloud-registry/cloud-registry.ts'
import { connectionString } from '../../simulators/world.ts'

/** A registry above, whatever it is made of: what the same journeys need of it. */
export interface TestParent {
  readonly connection: ParentConnection
  put(repository: string, image: BuiltImage, tag?: string): Promise<void>
  /** Removes the manifest with its tags. */
  remove(repository: string, digest: Digest): Promise<void>
  /** What a tag names there. */
  tag(repository: string, tag: string): Promise<Digest | undefined>
  holds(repository: string, digest: Digest): Promise<boolean>
  /** It lost its store: everything it held is unknown to it. */
  loseStore(): Promise<void>
  /** Undefined where this parent cannot untag. */
  readonly untag?: (repository: string, tag: string) => Promise<void>
  /** Undefined for a registry that is not ours. */
  readonly cloud?: CloudRegistry
}

export const syncToken = { name: 'siteregistry', password: 'sync=password+/' }

export function connectionTo(host: string): ParentConnection {
  return parseConnectionString(connectionString(syncToken, host), {})
}

export const readRights: readonly string[] = ['content/read', 'metadata/read']
export const writeRights: readonly string[] = [...readRights, 'content/write', 'content/delete']

export interface ParentOptions extends Omit<CloudRegistryOptions, 'acr' | 'tokens'> {
  /** Of the sync token, in each repository; a foreign registry gives all. */
  readonly rights?: readonly string[]
}

/** `acr`: with metadata and redirects; `plain`: an OCI registry with Bearer tokens and the referrers API. */
export async function openCloud(
  t: TestContext,
  kind: 'acr' | 'plain',
  repositories: readonly string[],
  { rights = readRights, ...options }: ParentOptions = {}
): Promise<TestParent & { readonly cloud: CloudRegistry }> {
  const actions = repositories.flatMap((name) => rights.map((right) => `repositories/${name}/${right}`))
  const cloud = createCloudRegistry({ ...options, acr: kind === 'acr', tokens: [{ ...syncToken, actions }] })
  await cloud.start()
  t.after(() => cloud.stop())
  return {
    connection: connectionTo(cloud.loginServer),
    cloud,
    async put(repository, image, tag) {
      cloud.contents.put(repository, image, tag)
    },
    async remove(repository, digest) {
      cloud.contents.deleteManifest(repository, digest)
    },
    async untag(repository, tag) {
      cloud.contents.untag(repository, tag)
    },
    tag: async (repository, tag) => cloud.contents.repository(repository)?.tags.get(tag)?.digest,
    holds: async (repository, digest) => cloud.contents.repository(repository)?.manifests.has(digest) ?? false,
    async loseStore() {
      cloud.reset()
    }
  }
}

/** CNCF distribution with Basic authentication. Undefined: not on this machine, the test is skipped. */
export async function openForeign(t: TestContext): Promise<TestParent | undefined> {
  if (!requireTool(t, 'docker-registry')) return undefined
  const options = { htpasswd: syncToken, delete: true }
  let foreign: ForeignRegistry = await startForeignRegistry(options)
  const port = Number(new URL(foreign.url).port)
  t.after(() => foreign.stop())
  const head = async (repository: string, reference: string) => {
    const url = new URL(`/v2/${repository}/manifests/${reference}`, foreign.url)
    const answer = await fetch(url, {
      method: 'HEAD',
      headers: { authorization, accept: manifestMediaTypes.join(', ') }
    })
    return answer.ok ? parseDigest(answer.headers.get('docker-content-digest') ?? '') : undefined
  }
  const authorization = basicAuthorization(syncToken.name, syncToken.password)
  return {
    connection: connectionTo(foreign.host),
    put: (repository, image, tag) => pushImage(image, { url: foreign.url, repository, tag, authorization }),
    async remove(repository, digest) {
      const url = new URL(`/v2/${repository}/manifests/${digest}`, foreign.url)
      const answer = await fetch(url, { method: 'DELETE', headers: { authorization } })
      if (answer.status !== 202) throw new Error(`DELETE answered ${answer.status}`)
    },
    tag: head,
    holds: async (repository, digest) => (await head(repository, digest)) !== undefined,
    async loseStore() {
      await foreign.stop()
      foreign = await startForeignRegistry({ ...options, port })
    }
  }
}

export type ParentKind = 'acr' | 'plain' | 'docker-registry'
export const parentKinds: readonly ParentKind[] = ['acr', 'plain', 'docker-registry']

export function openParent(
  t: TestContext,
  kind: ParentKind,
  repositories: readonly string[],
  options: ParentOptions = {}
): Promise<TestParent | undefined> {
  return kind === 'docker-registry' ? openForeign(t) : openCloud(t, kind, repositories, options)
}
