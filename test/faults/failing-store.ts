import type { BlobStore } from '../../modules/connected-registry/src/storage/blob-store.ts'
import type { RecordStore } from '../../modules/connected-registry/src/storage/record-store.ts'
import { StoreError } from '../../modules/connected-registry/src/storage/store-error.ts'
import type { Store } from '../../modules/connected-registry/src/store.ts'

/** Counts what is written, and lets the disk be full from one write on. */
export interface FullDisk {
  readonly writes: number
  /** From the write of this number on, the first being 0, there is no room; until `free`. */
  fillAt(write: number): void
  free(): void
  medium(store: Store): Pick<Store, 'blobs' | 'records'>
}

export function createFullDisk(): FullDisk {
  let writes = 0
  let fullFrom = Number.POSITIVE_INFINITY

  function isFull(): boolean {
    return writes++ >= fullFrom
  }

  async function write<T>(work: () => Promise<T>): Promise<T> {
    if (isFull()) throw noRoom()
    return work()
  }

  function records(store: RecordStore): RecordStore {
    return { ...store, commit: (batch) => write(() => store.commit(batch)) }
  }

  function blobs(store: BlobStore): BlobStore {
    return {
      ...store,
      get quarantined() {
        return store.quarantined
      },
      beginUpload: () => write(() => store.beginUpload()),
      append: (id, content, options) => store.append(id, untilFull(content), options),
      commit: (id, expected) => write(() => store.commit(id, expected))
    }
  }

  /** What fits is written: a full disk ends a file in its middle. */
  async function* untilFull(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      if (isFull()) {
        yield chunk.subarray(0, Math.floor(chunk.byteLength / 2))
        throw noRoom()
      }
      yield chunk
    }
  }

  return {
    get writes() {
      return writes
    },
    fillAt(write) {
      writes = 0
      fullFrom = write
    },
    free() {
      fullFrom = Number.POSITIVE_INFINITY
    },
    medium: (store) => ({ blobs: blobs(store.blobs), records: records(store.records) })
  }
}

function noRoom(): StoreError {
  return new StoreError('no space left on device', { code: 'ENOSPC', path: 'disk' })
}
