import { digestOf, parseDigest } from '../../modules/connected-registry/src/protocol/digest.ts'
import { parseManifest } from '../../modules/connected-registry/src/protocol/manifest.ts'
import { basicAuthorization } from '../fixtures/push-image.ts'
import type { NameAndPassword } from '../simulators/world.ts'

/** What a repository holds, in an order of its own: of two registries that agree it is the same. */
export interface RepositoryContent {
  /** Digests by tag. */
  readonly tags: Readonly<Record<string, string>>
  readonly manifests: readonly string[]
}

export type Content = Readonly<Record<string, RepositoryContent>>

/** A client at the door of a layer. */
export interface SiteClient {
  readonly url: string
  readonly authorization: string
  send(method: string, path: string): Promise<Response>
  tags(repository: string): Promise<Readonly<Record<string, string>>>
  /** All of it is fetched, and every digest is computed anew. Throws where one is wrong or missing. */
  content(repositories: readonly string[]): Promise<Content>
}

const patienceMs = 60_000
const pageSize = 500

export function createSiteClient(url: string, { name, password }: NameAndPassword): SiteClient {
  const authorization = basicAuthorization(name, password)

  function send(method: string, path: string): Promise<Response> {
    return fetch(new URL(path, url), { method, headers: { authorization }, signal: AbortSignal.timeout(patienceMs) })
  }

  async function get(path: string): Promise<Uint8Array> {
    const answer = await send('GET', path)
    const bytes = new Uint8Array(await answer.arrayBuffer())
    if (!answer.ok) throw new Error(`GET ${path} answered ${answer.status}: ${Buffer.from(bytes).toString()}`)
    return bytes
  }

  async function list<T>(path: string): Promise<readonly T[]> {
    const page = JSON.parse(Buffer.from(await get(`${path}?n=${pageSize}`)).toString()) as Record<string, T[]>
    const found = page.tags ?? page.manifests ?? []
    if (found.length >= pageSize) throw new Error(`${path} has more than a page`)
    return found
  }

  async function tags(repository: string): Promise<Readonly<Record<string, string>>> {
    const found = await list<{ name: string; digest: string }>(`/acr/v1/${repository}/_tags`)
    return Object.fromEntries(found.map(({ name, digest }) => [name, digest]).toSorted())
  }

  async function repositoryContent(repository: string): Promise<RepositoryContent> {
    const manifests = await list<{ digest: string }>(`/acr/v1/${repository}/_manifests`)
    const digests = manifests.map(({ digest }) => digest).toSorted()
    const blobs = new Set<string>()
    for (const digest of digests) {
      const bytes = await get(`/v2/${repository}/manifests/${digest}`)
      check(repository, digest, bytes)
      for (const blob of parseManifest(bytes).blobs) blobs.add(blob.digest)
    }
    for (const digest of blobs) check(repository, digest, await get(`/v2/${repository}/blobs/${digest}`))
    return { tags: await tags(repository), manifests: digests }
  }

  return {
    url,
    authorization,
    send,
    tags,
    async content(repositories) {
      const entries: [string, RepositoryContent][] = []
      for (const repository of repositories) entries.push([repository, await repositoryContent(repository)])
      return Object.fromEntries(entries)
    }
  }
}

function check(repository: string, digest: string, bytes: Uint8Array): void {
  if (!parseDigest(digest) || digestOf(bytes) !== digest) throw new Error(`${repository}: ${digest} has other bytes`)
}
