import type { Log } from '@connected-registry/edge-module/log.ts'
import type { Uploads } from './registry/uploads.ts'
import { describe } from './sync/problems.ts'

export interface UploadExpiry {
  /** Looks now, as it does every hour. */
  look(): Promise<void>
  stop(): void
}

const everyMs = 3_600_000

/** Ends what a process that is gone was taking in, except what is kept. Room that it takes is no reason not to start. */
export async function dropOrphans(
  uploads: Pick<Uploads, 'dropOrphans'>,
  log: Log,
  isKept?: (id: string) => boolean
): Promise<void> {
  try {
    const count = await uploads.dropOrphans(isKept)
    if (count > 0) log.info({ uploads: count }, 'partial transfers dropped')
  } catch (error) {
    log.warn({ reason: describe(error) }, 'partial transfers not dropped')
  }
}

/** Ends the uploads with which nobody goes on: at the start, and every hour from then on. */
export function startUploadExpiry(
  uploads: Pick<Uploads, 'expire'>,
  log: Log,
  { now = () => new Date(), isKept }: { readonly now?: () => Date; readonly isKept?: (id: string) => boolean } = {}
): UploadExpiry {
  async function look(): Promise<void> {
    try {
      const count = await uploads.expire(now(), isKept)
      if (count > 0) log.info({ uploads: count }, 'uploads expired')
    } catch (error) {
      log.warn({ reason: describe(error) }, 'uploads not looked through')
    }
  }

  const timer = setInterval(look, everyMs).unref()
  return { look, stop: () => clearInterval(timer) }
}
