import { statfs } from 'node:fs/promises'
import type { Store, StoreFigures } from './store.ts'

/** What the store holds, and how much room it has. */
export interface StorageFigures extends StoreFigures {
  readonly freeBytes: number
}

/** Looks through the store only at the first time. */
export async function readStorage(
  store: Pick<Store, 'figures'>,
  dataVolume: string,
  signal: AbortSignal
): Promise<StorageFigures> {
  const figures = await store.figures(signal)
  const { bavail, bsize } = await statfs(dataVolume)
  return { ...figures, freeBytes: bavail * bsize }
}
