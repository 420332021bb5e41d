import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { EdgeEnvironment } from '@connected-registry/edge-module/env.ts'
import type { Log } from '@connected-registry/edge-module/log.ts'
import { createWorkload } from '@connected-registry/edge-module/workload.ts'
import { describe } from './sync/problems.ts'
import type { NewDetail } from './sync/status.ts'
import type { StatusCode } from './sync/status-codes.ts'

const retryAfterMs = 15_000
// No file, or no folder where it could be: the volume may be missing as a whole.
const absent: readonly unknown[] = ['ENOENT', 'ENOTDIR']

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

export interface Authorities {
  readonly pems: readonly string[]
  readonly problem?: NewDetail
}

/** The site's own authorities: `ca.crt` of the certificate volume, as PEM texts. Without the file there are none. */
export async function readCertificateAuthorities(folder: string): Promise<Authorities> {
  return (await readAuthorities(join(folder, 'ca.crt'), 'CA_FILE_REFUSED')) ?? { pems: [] }
}

/**
 * Whose certificates clients have to show: `client-ca.crt` of the certificate volume. Undefined: there is none, and nobody is asked
 * for one. A file that cannot be used has no authority, and no certificate is valid.
 */
export function readClientAuthorities(folder: string): Promise<Authorities | undefined> {
  return readAuthorities(join(folder, 'client-ca.crt'), 'CLIENT_CA_REFUSED')
}

async function readAuthorities(path: string, code: StatusCode): Promise<Authorities | undefined> {
  try {
    const pems = (await readFile(path, 'utf8')).match(pemBlock) ?? []
    if (pems.length === 0) throw new Error('it holds no certificate')
    for (const pem of pems) new X509Certificate(pem)
    return { pems }
  } catch (error) {
    if (error instanceof Error && 'code' in error && absent.includes(error.code)) return undefined
    return { pems: [], problem: { type: 'Settings', code, description: `${path}: ${describe(error)}` } }
  }
}

const pemBlock = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g
