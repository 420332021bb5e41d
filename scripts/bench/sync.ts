import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Fact } from './fact.ts'
import { type Group, type Scale, type SyncGroup, syncGroups } from './line.ts'
import type { RoundsOptions } from './rounds.ts'
import { measureSyncAgain } from './sync-again.ts'
import { measureImage, measureSmallImages, measureThinLink } from './sync-copies.ts'
import { measureCuts } from './sync-cuts.ts'
import { measureReaders } from './sync-readers.ts'

/** What a part of the group is given: a folder of its own, and how much to do. */
export interface SyncPart extends RoundsOptions {
  readonly place: string
  readonly scale: Scale
}

const parts: Readonly<Record<SyncGroup, (part: SyncPart) => Promise<readonly Fact[]>>> = {
  'sync-loopback': (part) => measureImage(part, { wall: 0.5, cpu: 0.4 }),
  'sync-long-link': (part) => measureImage(part, { wall: 0.5, link: { roundTripMs: 50 } }),
  'sync-small': measureSmallImages,
  'sync-thin-link': measureThinLink,
  'sync-again': measureSyncAgain,
  'sync-cuts': measureCuts,
  'sync-readers': measureReaders
}

/** This registry's rounds of sync, from a docker-registry as their parent; side by side with skopeo where that does the like. */
export async function measureSync(
  groups: readonly Group[],
  folder: string,
  rounds: RoundsOptions,
  scale: Scale
): Promise<readonly Fact[]> {
  const facts: Fact[] = []
  for (const name of syncGroups.filter((each) => groups.includes(each))) {
    const place = join(folder, name)
    try {
      facts.push(...(await parts[name]({ ...rounds, place, scale })))
    } finally {
      await rm(place, { recursive: true, force: true })
    }
  }
  return facts
}
