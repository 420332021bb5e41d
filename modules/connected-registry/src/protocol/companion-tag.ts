import { algorithmOf, type Digest, hexOf } from './digest.ts'

/** The tag that stands in for the referrers API where a registry has none (distribution-spec, "Referrers Tag Schema"). */
export function referrersTag(subject: Digest): string {
  return `${algorithmOf(subject)}-${hexOf(subject).slice(0, 64)}`
}

/**
 * The manifest a tag is about by its name, as `referrersTag` writes it: such a tag itself, or one of cosign's signatures, attestations
 * and SBOMs. Undefined: it is a tag of its own.
 */
export function companionOf(tag: string): string | undefined {
  return /^((?:sha256|sha512)-[0-9a-f]{64})(?:\.[a-z]+)?$/.exec(tag)?.[1]
}
