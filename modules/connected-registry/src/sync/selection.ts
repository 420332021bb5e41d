import type { Mode } from '../access/authorize.ts'
import { companionOf, referrersTag } from '../protocol/companion-tag.ts'
import { type Digest, parseDigest } from '../protocol/digest.ts'
import { parseManifest } from '../protocol/manifest.ts'
import type { Registry } from '../registry/registry.ts'
import { tagsHere } from './local-catalog.ts'
import type { TagRules } from './scope-rules.ts'
import { createTagChoice, type TagChoice } from './tag-rules.ts'

/** What the rules leave of the tags of one repository. */
export interface Selection {
  readonly choose: TagChoice
  /**
   * Which of the names are tags about a manifest that is wanted, or about what is below or about that: the tag that stands in for the
   * referrers API (distribution-spec, "Referrers Tag Schema"), and cosign's signatures, attestations and SBOMs.
   */
  companions(names: ReadonlySet<string>, wanted: Iterable<Digest>): Promise<readonly string[]>
  /** What both sides last agreed these tags name. */
  agreed(tags: Iterable<string>): readonly Digest[]
}

export interface SelectionContext {
  readonly registry: Registry
  readonly mode: Mode
  readonly repository: string
  readonly bases: ReadonlyMap<string, Digest>
}

export async function createSelection(context: SelectionContext, rules: TagRules = {}): Promise<Selection> {
  const byRules = createTagChoice(rules)
  const kept = context.mode === 'ReadWrite' ? await keptTags(context) : undefined
  return {
    choose(tags) {
      const chosen = byRules(tags)
      return kept ? new Set([...chosen, ...tags.map(({ name }) => name).filter((name) => kept.has(name))]) : chosen
    },
    companions: (names, wanted) => companionsAmong(context, names, wanted),
    agreed: (tags) => Array.from(tags).flatMap((tag) => context.bases.get(tag) ?? [])
  }
}

/** Those of the names that are about what is wanted, as `Selection.companions`. */
export async function companionsAmong(
  place: Pick<SelectionContext, 'registry' | 'repository'>,
  names: Iterable<string>,
  wanted: Iterable<Digest>
): Promise<readonly string[]> {
  const companions = Array.from(names).filter((name) => companionOf(name) !== undefined)
  if (companions.length === 0) return []
  const subjects = new Set(Array.from(await reached(place, wanted), referrersTag))
  return companions.filter((name) => subjects.has(companionOf(name)!))
}

/** In ReadWrite mode what is here, and what both sides agreed on, stays in agreement: it may hold what clients of this site changed. */
async function keptTags({ registry, repository, bases }: SelectionContext): Promise<ReadonlySet<string>> {
  const kept = new Set([...bases.keys()].filter((reference) => !parseDigest(reference)))
  for await (const tag of tagsHere(registry, repository)) kept.add(tag)
  return kept
}

/** With what is below these and about these, as far as it is here. A set is walked to its end also while it grows. */
async function reached(
  { registry, repository }: Pick<SelectionContext, 'registry' | 'repository'>,
  wanted: Iterable<Digest>
): Promise<ReadonlySet<Digest>> {
  const subjects = new Set(wanted)
  for (const digest of subjects) {
    const stored = await registry.manifests.get(repository, { kind: 'digest', digest })
    if (!stored) continue
    const { manifests } = parseManifest(stored.bytes, stored.descriptor.mediaType)
    for (const child of [...manifests, ...(await registry.referrers.list(repository, digest))])
      subjects.add(child.digest)
  }
  return subjects
}
