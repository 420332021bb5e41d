import type { Entry, RecordStore } from '../storage/record-store.ts'

const pageSize = 1000

/** Every record below a prefix. What its reader removes on the way does not disturb it. */
export async function* readAll(records: RecordStore, prefix: string): AsyncGenerator<Entry> {
  for (let after: string | undefined; ; ) {
    const page = await records.list(prefix, { after, limit: pageSize })
    yield* page
    if (page.length < pageSize) return
    after = page.at(-1)![0]
  }
}
