import { setTimeout as pause } from 'node:timers/promises'
import type { EdgeEnvironment } from '@connected-registry/edge-module/env.ts'
import type { Log } from '@connected-registry/edge-module/log.ts'
import { createWorkload } from '@connected-registry/edge-module/workload.ts'
import { describe } from './sync/problems.ts'

const retryAfterMs = 15_000

/**
 * The certificates this device trusts beside the system's, which sign the parent's in a nested deployment. Asked for until
 * it is there, for the runtime may start after its modules. Empty where there is no workload API or on abort.
 */
export async function obtainTrustBundle(
  edge: EdgeEnvironment,
  log: Log,
  signal: AbortSignal
): Promise<readonly string[]> {
  if (edge.kind !== 'runtime') return []
  const workload = createWorkload(edge)
  while (!signal.aborted) {
    try {
      return [await workload.trustBundle(signal)]
    } catch (error) {
      if (signal.aborted) return []
      log.warn({ reason: describe(error) }, 'trust bundle not obtained')
      await pause(retryAfterMs, undefined, { signal }).catch(() => {})
    }
  }
  return []
}
