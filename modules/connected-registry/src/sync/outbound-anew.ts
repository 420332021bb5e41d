import type { Change, Registry } from '../registry/registry.ts'
import { keys } from '../storage/layout.ts'
import type { Entry, RecordStore } from '../storage/record-store.ts'

export interface Telling {
  readonly registry: Pick<Registry, 'changes'>
  readonly records: RecordStore
  readonly epoch: string
}

const pageSize = 500

/**
 * What somebody below the parent brought here, and nobody changed since, is noted as if it had just been brought. Nothing is told of
 * removals: a parent that was rebuilt does not hold what was removed, or holds it because somebody above wants it.
 */
export async function noteAnew({ registry, records, epoch }: Telling): Promise<void> {
  const told = await records.get(keys.outboundEpoch)
  if (told === epoch) return
  if (told !== undefined) {
    const brought = [...(await broughtHere(registry))]
    for (let at = 0; at < brought.length; at += pageSize) await note(records, brought.slice(at, at + pageSize))
  }
  // Last: who is cut before begins anew.
  await records.commit({ put: [[keys.outboundEpoch, epoch]] })
}

/** Keys of outbound records with the change that is the last of each reference. */
async function broughtHere({ changes }: Pick<Registry, 'changes'>): Promise<ReadonlyMap<string, number>> {
  const brought = new Map<string, number>()
  for (let cursor = 0; ; ) {
    const page = await changes.read(cursor, pageSize)
    for (const change of page) {
      const key = keys.outbound(change.repository, change.tag ?? change.digest)
      if (isBrought(change)) brought.set(key, change.sequence)
      else brought.delete(key)
    }
    if (page.length < pageSize) return brought
    cursor = page.at(-1)!.sequence
  }
}

function isBrought({ origin, action }: Change): boolean {
  return origin !== 'parent' && (action === 'push' || action === 'tag')
}

/** What is on its way already stays as it is noted. */
async function note(
  records: RecordStore,
  brought: readonly (readonly [key: string, sequence: number])[]
): Promise<void> {
  const put: Entry[] = []
  for (const [key, sequence] of brought) {
    if ((await records.get(key)) === undefined) put.push([key, { sequence }])
  }
  if (put.length > 0) await records.commit({ put })
}
