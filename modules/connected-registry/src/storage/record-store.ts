/** Small values in key order. A batch is applied whole or not at all, and is durable when it returns. */
export interface RecordStore {
  get(key: string): Awaitable<Value | undefined>
  /** One page of the keys that begin with `prefix`, in byte order, those after the key `after` only. */
  list(prefix: string, page: { readonly after?: string; readonly limit: number }): Awaitable<readonly Entry[]>
  /** Throws `ConflictError` and changes nothing where an `expect` does not hold. Batches are applied in the order of the calls. */
  commit(batch: Batch): Promise<void>
  /** A commit is about to come: what it takes may be made ready meanwhile. A hint, which may be ignored and promises nothing. */
  wake(): void
  close(): Promise<void>
}

export type Awaitable<T> = T | Promise<T>
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined }
export type Value = Json | Uint8Array
export type Entry = readonly [key: string, value: Value]

export interface Batch {
  readonly put?: readonly Entry[]
  readonly remove?: readonly string[]
  /** Compare-and-set: each key must hold exactly this value now; undefined: must not exist. Values compare as canonical JSON. */
  readonly expect?: readonly (readonly [key: string, value: Value | undefined])[]
}

export class ConflictError extends Error {
  override readonly name = 'ConflictError'
  readonly code = 'CONFLICT'
  readonly key: string

  constructor(key: string) {
    super(`record ${key} is not as expected`)
    this.key = key
  }
}
