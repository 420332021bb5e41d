import { type Digest, parseDigest } from './digest.ts'

/** How a manifest is named inside a repository: by a tag, which may move, or by a digest, which may not. */
export type Reference =
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'digest'; readonly digest: Digest }

// distribution-spec, "Pulling manifests": the grammar of <name> and of a tag.
const repositoryName = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
const tagName = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/
const repositoryNameLimit = 255

export function isRepositoryName(text: string): boolean {
  return text.length <= repositoryNameLimit && repositoryName.test(text)
}

export function isTag(text: string): boolean {
  return tagName.test(text)
}

/** The tag or digest in `text`, or undefined where it is neither. */
export function parseReference(text: string): Reference | undefined {
  const digest = parseDigest(text)
  if (digest) return { kind: 'digest', digest }
  return isTag(text) ? { kind: 'tag', tag: text } : undefined
}

export function formatReference(reference: Reference): string {
  return reference.kind === 'tag' ? reference.tag : reference.digest
}
