// The gateway protocol, version 1: the channel between a connected registry and the one above it. It is our own, and open; all of
// it lies below /acr/, so that every API proxy of IoT Edge leads it on. ARCHITECTURE.md, "The gateway protocol".

export const gatewayVersion = 1
export const gatewayPath = '/acr/gateway/v1'

/** On every answer of a gateway; the last one on requests as well. */
export const gatewayHeaders = {
  /** The id of the parent's store: in another one, what was agreed on counts for nothing. */
  epoch: 'X-Registry-Epoch',
  /** `true` once the parent's own first sync is complete: before that, what is absent there may still come. */
  initialSync: 'X-Registry-Initial-Sync',
  /** `ReadOnly` where it takes no change from anybody; left out by earlier releases. */
  mode: 'X-Registry-Mode',
  /** On requests: the child's instance id, which must be the activated one. */
  instance: 'X-Registry-Instance',
  correlation: 'X-Correlation-Id'
} as const

/** How a registry stands with its parent, in ACR's words. */
export const connectionStates = ['Online', 'Offline', 'Syncing', 'Unhealthy'] as const
export type ConnectionState = (typeof connectionStates)[number]

/** Where to look. A duplicate or a lost one does no harm, for the registries say what is true. */
export type GatewayMessage =
  | {
      readonly kind: 'artifact'
      readonly sequence: number
      readonly repository: string
      /** A tag, or a digest. */
      readonly reference: string
    }
  /** The child's config is another one than it knows. */
  | { readonly kind: 'config'; readonly sequence: number; readonly etag: string }

export interface MessagesPage {
  readonly messages: readonly GatewayMessage[]
  /** To be sent as `after` next time. */
  readonly next: string
}

// An API proxy, ours as Microsoft's, gives up an answer that does not begin within a minute.
export const messageLimits = { page: 100, mostPerPage: 1000, longestWaitSeconds: 50 } as const

/** How far a child has read the parent's change log, and of which store. */
export interface Cursor {
  readonly epoch: string
  readonly sequence: number
}

export function formatCursor({ epoch, sequence }: Cursor): string {
  return `${sequence}.${epoch}`
}

/** Undefined: it is no cursor. */
export function parseCursor(text: string): Cursor | undefined {
  const [, digits, epoch] = /^(\d{1,16})\.([A-Za-z0-9-]{1,64})$/.exec(text) ?? []
  const sequence = Number(digits)
  return epoch && Number.isSafeInteger(sequence) ? { epoch, sequence } : undefined
}

/** What an activated child is told. */
export interface ActivationAnswer {
  /** As it is configured above, in the case it is written in there. */
  readonly name: string
  /** The stores above the child, the nearest first: a child that finds itself among them stands in a loop. */
  readonly ancestors: readonly string[]
}

/** A name of a connected registry (ACR, "Hierarchy and validation rules"): 5 to 50 characters, compared without case. */
export function isRegistryName(text: string): boolean {
  return /^[a-zA-Z0-9_-]{5,50}$/.test(text)
}

export function isSameRegistry(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase()
}
