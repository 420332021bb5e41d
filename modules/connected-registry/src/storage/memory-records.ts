import { ConflictError, type RecordStore } from './record-store.ts'
import { compareKeys, decodeValue, encodeBatch, type StoredValue, sameValue } from './record-values.ts'

/** Records in this process's memory: for tests, and the second medium that keeps the seam honest. */
export function createMemoryRecordStore(): RecordStore {
  const records = new Map<string, StoredValue>()
  let sortedKeys: readonly string[] | undefined

  return {
    get(key) {
      const stored = records.get(key)
      return stored === undefined ? undefined : decodeValue(stored)
    },
    list(prefix, { after, limit }) {
      sortedKeys ??= [...records.keys()].sort(compareKeys)
      return sortedKeys
        .filter((key) => key.startsWith(prefix) && (after === undefined || compareKeys(key, after) > 0))
        .slice(0, limit)
        .map((key) => [key, decodeValue(records.get(key)!)] as const)
    },
    async commit(batch) {
      const { put, remove, expect } = encodeBatch(batch)
      for (const [key, value] of expect) {
        if (!sameValue(records.get(key), value)) throw new ConflictError(key)
      }
      for (const key of remove) records.delete(key)
      for (const [key, value] of put) records.set(key, value)
      sortedKeys = undefined
    },
    wake() {},
    async close() {}
  }
}
