import { readFile } from 'node:fs/promises'
import type { EdgeEnvironment } from './env.ts'
import { createWorkload } from './workload.ts'

/** PEM: what certificates of this device, and of those above it, are verified against. Read anew with each call. */
export function readTrustBundle(environment: EdgeEnvironment, signal: AbortSignal): Promise<string> {
  if (environment.kind === 'connectionString') return readFile(environment.caFile, { encoding: 'utf8', signal })
  return createWorkload(environment).trustBundle(signal)
}
