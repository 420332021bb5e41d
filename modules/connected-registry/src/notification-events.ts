import { createHash } from 'node:crypto'
import { matchesNotification, type NotificationPattern, type NotifiedAction } from './protocol/notification-pattern.ts'
import type { Change } from './registry/registry.ts'

/** What edgeHub is told of one change: the data of ACR's events of connected registries (Event Grid, `dataVersion` 2.0). */
export interface NotificationEvent {
  /** The same whenever this change is told. */
  readonly id: string
  /** Of the change, RFC 3339, UTC. */
  readonly timestamp: string
  readonly action: NotifiedAction
  readonly target: {
    readonly mediaType: string
    readonly size: number
    readonly digest: string
    /** The same as `size`, as ACR has it. */
    readonly length: number
    readonly repository: string
    /** Of a deletion: only the tag is gone. */
    readonly tag?: string
  }
  /** Left out where this registry has no parent, and so no name. */
  readonly connectedregistry?: { readonly name: string }
}

export interface Told {
  /** Of the last change that it tells of. */
  readonly sequence: number
  readonly event: NotificationEvent
}

export interface EventsOptions {
  /** Those in force when this change came. */
  readonly patternsAt: (sequence: number) => readonly NotificationPattern[]
  /** With which the ids are of this store alone. */
  readonly storeId: string
  /** Undefined: it has none. */
  readonly name: string | undefined
}

/**
 * What there is to tell of a page of the log. Clients, and registries below, change things; what sync brings from above does not
 * count. A push by tag is two changes of one batch and one event.
 */
export function eventsOf(page: readonly Change[], options: EventsOptions): readonly Told[] {
  return page.flatMap((change, at) => {
    const isTold = change.origin.startsWith('client:') || change.origin.startsWith('child:')
    if (!isTold || isPartOf(change, page[at + 1]) || !isWanted(change, options)) return []
    return [{ sequence: change.sequence, event: eventOf(change, options) }]
  })
}

/** Whole pushes only: the tag of the last one may be in the next page. */
export function wholePushes(page: readonly Change[], pageSize: number): readonly Change[] {
  return page.length === pageSize && page.at(-1)?.action === 'push' ? page.slice(0, -1) : page
}

function isPartOf(push: Change, tag: Change | undefined): boolean {
  return (
    push.action === 'push' &&
    tag?.action === 'tag' &&
    tag.sequence === push.sequence + 1 &&
    tag.repository === push.repository &&
    tag.digest === push.digest &&
    tag.origin === push.origin &&
    tag.at === push.at
  )
}

function isWanted(change: Change, { patternsAt }: EventsOptions): boolean {
  const { repository, tag, digest } = change
  const artifact = {
    repository,
    tag,
    digest: change.action === 'untag' ? undefined : digest,
    action: actionOf(change)
  }
  return patternsAt(change.sequence).some((pattern) => matchesNotification(pattern, artifact))
}

function eventOf(change: Change, { storeId, name }: EventsOptions): NotificationEvent {
  const { sequence, at, mediaType, size, digest, repository, tag } = change
  return {
    id: uuidOf(`${storeId} ${sequence} ${at}`),
    timestamp: at,
    action: actionOf(change),
    target: { mediaType, size, digest, length: size, repository, ...(tag !== undefined && { tag }) },
    ...(name !== undefined && { connectedregistry: { name } })
  }
}

function actionOf({ action }: Change): NotifiedAction {
  return action === 'push' || action === 'tag' ? 'push' : 'delete'
}

/** RFC 9562, "UUID Version 8": of what is in it this says nothing. */
function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16)
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32)
  ].join('-')
}
