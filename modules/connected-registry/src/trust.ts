import { setTimeout as pause } from 'node:timers/promises'
import type { EdgeEnvironment } from '@connected-registry/edge-module/env.ts'
import type { Log } from '@connected-registry/edge-module/log.ts'
import { createWorkload } from '@connected-registry/edge-module/workload.ts'
import { followAuthorities } from './authorities.ts'
import { describe } from './sync/problems.ts'
import type { NewDetail } from './sync/status.ts'

/** Whom this registry trusts towards its parent, beside the system's authorities. */
export interface Trust {
  /** PEM texts. */
  readonly pems: readonly string[]
  readonly details: readonly NewDetail[]
  close(): void
}

export interface TrustOptions {
  /** Holds `ca.crt`, the site's own authorities. */
  readonly folder: string
  /** With a workload API: where the trust bundle is. */
  readonly edge: EdgeEnvironment | undefined
  readonly log: Log
  /** How often `ca.crt` is read, and the trust bundle. */
  readonly lookMs: number
  readonly bundleMs: number
  /** Others are trusted than before. */
  readonly onChange: () => void
  /** Something else is wrong with `ca.crt`. */
  readonly onDetails: () => void
}

const retryAfterMs = 15_000

/** Knows `ca.crt` when it resolves; the trust bundle comes later. Both are read again, for they are renewed while modules run. */
export async function followTrust(options: TrustOptions): Promise<Trust> {
  const { folder, edge, log, lookMs, bundleMs, onChange, onDetails } = options
  const own = await followAuthorities({ folder, name: 'ca.crt', code: 'CA_FILE_REFUSED', lookMs, onChange: onDetails })
  const closing = new AbortController()
  let bundle: readonly string[] = []

  own.onChange(() => {
    log.info({ file: 'ca.crt' }, 'other authorities trusted')
    onChange()
  })
  const take = (pem: string) => {
    bundle = [pem]
    log.info({ file: 'trust bundle' }, 'other authorities trusted')
    onChange()
  }
  void followTrustBundle({ edge, log, bundleMs, signal: closing.signal, onBundle: take })
  return {
    get pems() {
      return [...(own.pems ?? []), ...bundle]
    },
    get details() {
      return own.problem ? [own.problem] : []
    },
    close() {
      closing.abort()
      own.close()
    }
  }
}

interface BundleOptions extends Pick<TrustOptions, 'edge' | 'log' | 'bundleMs'> {
  readonly signal: AbortSignal
  /** Told of the first one, and of each that is not as the one before. */
  readonly onBundle: (pem: string) => void
}

/** The authorities of this device, which sign the parent's certificate in a nested deployment. The runtime may start after its modules. */
async function followTrustBundle({ edge, log, bundleMs, signal, onBundle }: BundleOptions): Promise<void> {
  if (edge?.kind !== 'runtime') return
  const workload = createWorkload(edge)
  let known: string | undefined
  let problem: string | undefined
  while (!signal.aborted) {
    try {
      const pem = await workload.trustBundle(signal)
      problem = undefined
      if (pem !== known && !signal.aborted) onBundle(pem)
      known = pem
    } catch (error) {
      if (signal.aborted) return
      const reason = describe(error)
      if (reason !== problem) log.warn({ reason }, 'trust bundle not obtained')
      problem = reason
    }
    const waitMs = problem === undefined ? bundleMs : Math.min(bundleMs, retryAfterMs)
    await pause(waitMs, undefined, { signal }).catch(() => {})
  }
}
