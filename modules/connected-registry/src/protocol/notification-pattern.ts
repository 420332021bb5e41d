import { type Digest, parseDigest } from './digest.ts'
import { isTag } from './reference.ts'
import { matchesPattern, parseRepositoryPattern, type RepositoryPattern } from './repository-pattern.ts'

export type NotifiedAction = 'push' | 'delete'

/** Which changes are told of, as ACR writes it: `name[:tag][@digest]:action` (ACR, `--notifications`). */
export interface NotificationPattern {
  /** As it was written. */
  readonly text: string
  readonly repository: RepositoryPattern
  /** `*`: any tag. Left out: it may have one or none. */
  readonly tag?: string
  /** The same of its digest. */
  readonly digest?: Digest | '*'
  readonly action: NotifiedAction | '*'
}

/** What a change is about. Who takes a tag away does nothing to what it stood at: then there is no digest. */
export interface NotifiedArtifact {
  readonly repository: string
  readonly tag?: string | undefined
  readonly digest?: Digest | undefined
  readonly action: NotifiedAction
}

/** No name, tag and digest together are longer. */
export const notificationPatternLimit = 600

/** The pattern, or which part of it is wrong. Each part is cut off once from an end, so that time is linear. */
export function parseNotificationPattern(text: string): NotificationPattern | { readonly problem: string } {
  const end = text.lastIndexOf(':')
  const action = text.slice(end + 1)
  if (end < 0 || !isAction(action))
    return { problem: 'does not end with an action, :push, :delete or :*, as hello-world:*:push does' }
  const artifact = text.slice(0, end)
  const at = artifact.indexOf('@')
  const digest = at < 0 ? undefined : digestIn(artifact.slice(at + 1))
  if (at >= 0 && !digest) return { problem: 'has neither a digest nor * after its @' }
  const named = at < 0 ? artifact : artifact.slice(0, at)
  const colon = named.indexOf(':')
  const tag = colon < 0 ? undefined : named.slice(colon + 1)
  if (tag !== undefined && tag !== '*' && !isTag(tag)) return { problem: 'has neither a tag nor * after the name' }
  const repository = parseRepositoryPattern(colon < 0 ? named : named.slice(0, colon))
  if (!repository)
    return { problem: 'begins with neither a repository name (lower case) nor a pattern such as prefix/*' }
  return { text, repository, ...(tag !== undefined && { tag }), ...(digest && { digest }), action }
}

export function matchesNotification(pattern: NotificationPattern, artifact: NotifiedArtifact): boolean {
  return (
    (pattern.action === '*' || pattern.action === artifact.action) &&
    chooses(pattern.tag, artifact.tag) &&
    chooses(pattern.digest, artifact.digest) &&
    matchesPattern(pattern.repository, artifact.repository)
  )
}

function chooses(part: string | undefined, value: string | undefined): boolean {
  return part === undefined || (part === '*' ? value !== undefined : part === value)
}

function isAction(text: string): text is NotificationPattern['action'] {
  return text === '*' || text === 'push' || text === 'delete'
}

function digestIn(text: string): Digest | '*' | undefined {
  return text === '*' ? text : parseDigest(text)
}
