import type { Log } from '@connected-registry/edge-module/log.ts'
import type { Traffic } from './parent/connections.ts'
import { keys } from './storage/layout.ts'
import type { RecordStore } from './storage/record-store.ts'
import { describe } from './sync/problems.ts'

/** What went over the link to the parent since the store began, over all restarts. */
export interface KeptTraffic {
  total(): Traffic
  /** Writes it down where something was added. */
  save(): Promise<void>
  stop(): Promise<void>
}

export const noTraffic: Traffic = { requests: 0, writeRequests: 0, failures: 0, sentBytes: 0, receivedBytes: 0 }

/** What a power cut may take from the count. A sync of the disk for each request would cost more than the request. */
const saveEveryMs = 60_000

/** `current`: since the start of this process. */
export async function keepTraffic(
  records: RecordStore,
  current: () => Traffic,
  log: Log,
  everyMs = saveEveryMs
): Promise<KeptTraffic> {
  const before = { ...noTraffic, ...((await records.get(keys.traffic)) as Partial<Traffic> | undefined) }
  let saved: Traffic = before
  let saving: Promise<void> = Promise.resolve()
  const total = () => addTraffic(before, current())

  async function write(): Promise<void> {
    const now = total()
    if (
      now.requests === saved.requests &&
      now.receivedBytes === saved.receivedBytes &&
      now.sentBytes === saved.sentBytes
    )
      return
    try {
      await records.commit({ put: [[keys.traffic, { ...now }]] })
      saved = now
    } catch (error) {
      log.warn({ reason: describe(error) }, 'traffic not written down')
    }
  }

  const save = () => (saving = saving.then(write))
  const timer = setInterval(save, everyMs).unref()
  return {
    total,
    save,
    async stop() {
      clearInterval(timer)
      await save()
    }
  }
}

export function addTraffic(one: Traffic, other: Traffic): Traffic {
  return {
    requests: one.requests + other.requests,
    writeRequests: one.writeRequests + other.writeRequests,
    failures: one.failures + other.failures,
    sentBytes: one.sentBytes + other.sentBytes,
    receivedBytes: one.receivedBytes + other.receivedBytes
  }
}
