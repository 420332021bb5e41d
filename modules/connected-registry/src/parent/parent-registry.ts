import type { Log } from '@connected-registry/edge-module/log.ts'
import type { ParentConnection } from '../protocol/connection-string.ts'
import type { ContentSource } from '../protocol/content.ts'
import type { Descriptor } from '../protocol/descriptor.ts'
import type { Digest } from '../protocol/digest.ts'
import { essence } from '../protocol/media-types.ts'
import { formatReference, isRepositoryName, isTag, type Reference } from '../protocol/reference.ts'
import { badAnswer, discard, headerOf, refusal } from './answer.ts'
import { createAuthentication } from './authentication.ts'
import { openBlob } from './blob-transfer.ts'
import { createByteBudget } from './byte-budget.ts'
import { listRepositories } from './catalog.ts'
import { type Clock, systemClock } from './clock.ts'
import type { Dispatcher } from './dispatcher.ts'
import { createKeptPages } from './kept-pages.ts'
import { getManifest, headManifest, lookAgain, type Seen } from './manifests.ts'
import {
  createMetadata,
  type EntryOrder,
  type ManifestEntry,
  type Metadata,
  type RepositoryAttributes,
  type TagEntry
} from './metadata.ts'
import { createParentGateway, type ParentGateway } from './parent-gateway.ts'
import { type ParentLink, scopes, urlOf } from './parent-link.ts'
import { createParentTarget, type ParentTarget, type ParentTargetOptions } from './parent-target.ts'
import { listReferrers } from './referrers.ts'
import { listTags } from './tags.ts'

/** The registry above, as a client sees it: any OCI registry, and ACR's metadata where there is one. All failures are ParentError. */
export interface ParentRegistry {
  /** `host[:port]` of its login server. */
  readonly host: string
  /** What this registry is called there. */
  readonly registryName: string
  /** Of the token that it knows us by. */
  readonly tokenName: string
  /** What agreements with it are worth only within: the id of a gateway's store; a plain parent has nothing better than its host. */
  readonly epoch: string
  /** Speaks as a gateway only where the parent is a connected registry. */
  readonly gateway: ParentGateway
  /** It is there, speaks the registry API and knows our token. */
  ping(signal: AbortSignal): Promise<void>
  repository(name: string): ParentRepository
  /** These repositories will be looked at, in this order: what it costs to prove who we are is paid once for many. */
  announce(repositories: readonly string[]): void
  /** Every repository, for patterns. UNAUTHORIZED or DENIED: our token may not list them. */
  catalog(signal: AbortSignal): AsyncIterable<string>
}

/**
 * One repository above. NAME_UNKNOWN, NOT_FOUND, UNAUTHORIZED, DENIED and whatever is retryable mean that nothing is known, never
 * that nothing is there.
 */
export interface ParentRepository extends ContentSource {
  readonly name: string
  /** What the tag names now, by one HEAD. Undefined: the registry itself says that there is no such tag. */
  resolveTag(tag: string, signal: AbortSignal): Promise<Seen | undefined>
  /** The same, with its manifest where that came along: as it does where it is not `known` any more, from most parents. */
  lookAgain(tag: string, known: Digest, signal: AbortSignal): Promise<Seen | undefined>
  /** What the digest names. */
  resolveDigest(digest: Digest, signal: AbortSignal): Promise<Descriptor | undefined>
  /** Complete when it ends; throws otherwise, also after some tags. */
  listTags(signal: AbortSignal): AsyncIterable<string>
  /** Whether it is known if the parent has ACR's metadata. */
  isMetadataKnown(): boolean
  /** ACR's metadata. Undefined: ACR does not know the repository. */
  attributes(signal: AbortSignal): Promise<RepositoryAttributes | 'unsupported' | undefined>
  tagEntries(signal: AbortSignal, order?: EntryOrder): AsyncIterable<TagEntry>
  manifestEntries(signal: AbortSignal, order?: EntryOrder): AsyncIterable<ManifestEntry>
  /** One of them, as it is now. Undefined: ACR says that it is not there. */
  tagEntry(tag: string, signal: AbortSignal): Promise<TagEntry | undefined>
  manifestEntry(digest: Digest, signal: AbortSignal): Promise<ManifestEntry | undefined>
  /** For changes. They are made by its own signal, for a copy asks it many things. */
  target(options: ParentTargetOptions): ParentTarget
}

export interface ParentRegistryDeps {
  readonly connection: ParentConnection
  readonly dispatcher: Dispatcher
  readonly log: Log
  readonly clock?: Clock
}

/** Bytes of manifests that come at once: a look asks for a hundred of them side by side, of which each may be 4 MiB. */
const manifestsLimit = 16 * 1024 * 1024

/** The dispatcher stays the caller's, who closes it. */
export function createParentRegistry({
  connection,
  dispatcher,
  log,
  clock = systemClock
}: ParentRegistryDeps): ParentRegistry {
  dispatcher.know(connection.loginServerUrl.hostname)
  const authentication = createAuthentication({ connection, dispatcher, clock })
  const manifestBytes = createByteBudget(manifestsLimit)
  const learned = {
    keptPages: createKeptPages(),
    referrersApi: { isMissing: false },
    conditions: { areIgnored: false }
  }
  const link: ParentLink = { connection, dispatcher, authentication, clock, log, manifestBytes, ...learned }
  const metadata = createMetadata(link)
  const gateway = createParentGateway(link)
  return {
    host: connection.loginServer,
    registryName: connection.registryName,
    tokenName: connection.syncToken.name,
    get epoch() {
      return gateway.standing?.epoch ?? connection.loginServer
    },
    gateway,
    ping: (signal) => ping(link, signal),
    repository: (name) => repository(link, metadata, name),
    announce: (names) => authentication.announce([names.map(scopes.metadata), names.map(scopes.pull)]),
    catalog: (signal) => listRepositories(link, signal)
  }
}

function repository(link: ParentLink, metadata: Metadata, name: string): ParentRepository {
  // Names become paths: only the grammar keeps them from leading elsewhere.
  if (!isRepositoryName(name)) throw new TypeError(`${JSON.stringify(name)} is no repository name`)
  return {
    name,
    manifest: (reference, signal) => getManifest(link, { repository: name, reference, signal }),
    blob: (descriptor, offset, signal, last) => openBlob(link, { repository: name, descriptor, offset, last, signal }),
    referrers: (subject, signal) => listReferrers(link, { repository: name, subject, signal }),
    resolveTag: async (tag, signal) => headManifest(link, { repository: name, reference: tagReference(tag), signal }),
    lookAgain: async (tag, known, signal) =>
      lookAgain(link, { repository: name, reference: tagReference(tag), signal }, known),
    resolveDigest: (digest, signal) =>
      headManifest(link, { repository: name, reference: { kind: 'digest', digest }, signal }),
    listTags: (signal) => listTags(link, name, signal),
    isMetadataKnown: metadata.isKnown,
    attributes: (signal) => metadata.attributes(name, signal),
    tagEntries: (signal, order) => metadata.tagEntries(name, signal, order),
    manifestEntries: (signal, order) => metadata.manifestEntries(name, signal, order),
    tagEntry: (tag, signal) => metadata.tagEntry(name, formatReference(tagReference(tag)), signal),
    manifestEntry: (digest, signal) => metadata.manifestEntry(name, digest, signal),
    target: (options) => {
      const isAcr = async (signal: AbortSignal) => (await metadata.attributes(name, signal)) !== 'unsupported'
      return createParentTarget(link, name, isAcr, options)
    }
  }
}

function tagReference(tag: string): Reference {
  if (!isTag(tag)) throw new TypeError(`${JSON.stringify(tag)} is no tag`)
  return { kind: 'tag', tag }
}

// distribution-spec, "Determining Support". A page for people in its place is a portal's, not a registry's.
async function ping(link: ParentLink, signal: AbortSignal): Promise<void> {
  const request = { operation: 'ping', method: 'GET', url: urlOf(link, '/v2/'), signal } as const
  await link.authentication.request(request, async (answer) => {
    if (answer.status !== 200) throw await refusal(answer)
    if (essence(headerOf(answer, 'content-type') ?? '') === 'text/html') {
      answer.close()
      throw badAnswer(answer, 'it is a page for people')
    }
    await discard(answer)
  })
}
