import assert from 'node:assert/strict'
import type { Entry, Value } from '../../modules/connected-registry/src/storage/record-store.ts'

export function assertEntries(actual: readonly Entry[], expected: readonly Entry[]): void {
  assert.deepEqual(
    actual.map(([key]) => key),
    expected.map(([key]) => key)
  )
  for (const [index, [, value]] of expected.entries()) assertValue(actual[index]?.[1], value)
}

export function assertValue(actual: Value | undefined, expected: Value): void {
  if (expected instanceof Uint8Array) assert.ok(actual instanceof Uint8Array && Buffer.from(actual).equals(expected))
  else assert.deepEqual(actual, JSON.parse(JSON.stringify(expected)))
}

export function named(values: Readonly<Record<string, Value>>): readonly Entry[] {
  return Object.entries(values)
}
