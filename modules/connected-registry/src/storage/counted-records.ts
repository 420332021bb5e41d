import { keys } from './layout.ts'
import type { Batch, Entry, RecordStore, Value } from './record-store.ts'
import { createRunningTotal, type RunningTotal } from './running-total.ts'

/** A record store that knows how much of the catalog it holds, without looking through it for each question. */
export interface CountedRecords extends RecordStore {
  readonly totals: {
    readonly repositories: RunningTotal
    /** One in each repository that holds it. */
    readonly manifests: RunningTotal
    /** Their bytes, once however many repositories hold them. */
    readonly manifestContent: RunningTotal
  }
}

/** Bytes that a record counts with; undefined: it does not count. */
type Measure = (value: Value) => number | undefined

const measures = {
  repositories: ['repository:', () => 0],
  manifests: ['link:', (value) => (isManifestLink(value) ? 0 : undefined)],
  manifestContent: [keys.manifests, (value) => (value instanceof Uint8Array ? value.byteLength : undefined)]
} as const satisfies Record<string, readonly [prefix: string, measure: Measure]>

const pageSize = 256

export function countRecords(records: RecordStore): CountedRecords {
  const kept = Object.values(measures).map(([prefix, measure]) => {
    return { prefix, measure: measure as Measure, total: createRunningTotal(() => entries(records, prefix, measure)) }
  })
  const [repositories, manifests, manifestContent] = kept.map(({ total }) => total) as [
    RunningTotal,
    RunningTotal,
    RunningTotal
  ]

  /** What the batch will change, noted before it is handed over: batches are applied in the order of the calls. */
  function changesOf(batch: Batch) {
    const after: readonly (readonly [string, Value | undefined])[] = [
      ...(batch.put ?? []),
      ...(batch.remove ?? []).map((key) => [key, undefined] as const)
    ]
    return after.flatMap(([key, value]) => {
      const one = kept.find(({ prefix, total }) => total.isKept && key.startsWith(prefix))
      return one ? [{ ...one, key, value, before: before(records, batch, key) }] : []
    })
  }

  return {
    get: records.get,
    list: records.list,
    wake: records.wake,
    close: records.close,
    async commit(batch) {
      const changes = changesOf(batch)
      await records.commit(batch)
      for (const { total, measure, key, value, before } of changes) {
        const [was, is] = [sizeOf(await before, measure), sizeOf(value, measure)]
        const count = (is === undefined ? 0 : 1) - (was === undefined ? 0 : 1)
        const bytes = (is ?? 0) - (was ?? 0)
        if (count !== 0 || bytes !== 0) total.changed(key, { count, bytes })
      }
    },
    totals: { repositories, manifests, manifestContent }
  }
}

/** A batch that is applied says itself what was there where it expects it. */
function before(records: RecordStore, { expect = [] }: Batch, key: string) {
  const expected = expect.find(([one]) => one === key)
  return expected ? expected[1] : records.get(key)
}

function sizeOf(value: Value | undefined, measure: Measure): number | undefined {
  return value === undefined ? undefined : measure(value)
}

async function* entries(records: RecordStore, prefix: string, measure: Measure): AsyncGenerator<[string, number]> {
  for (let after: string | undefined; ; ) {
    const page: readonly Entry[] = await records.list(prefix, { after, limit: pageSize })
    for (const [key, value] of page) {
      const bytes = measure(value)
      if (bytes !== undefined) yield [key, bytes]
    }
    if (page.length < pageSize) return
    after = page.at(-1)?.[0]
  }
}

function isManifestLink(value: Value): boolean {
  return typeof value === 'object' && value !== null && 'manifest' in value && value.manifest === true
}
