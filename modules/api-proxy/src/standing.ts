import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { getCACertificates } from 'node:tls'
import type { Log } from '@connected-registry/edge-module/log.ts'
import { createTokenIssuer } from '@connected-registry/edge-module/sas-token.ts'
import { readTrustBundle } from '@connected-registry/edge-module/trust-bundle.ts'
import type { Config } from './config.ts'
import { createKept } from './kept.ts'
import type { Standing } from './ways.ts'

const minute = 60_000

/** Of this device: its trust bundle, read again and again for it changes while modules run, and tokens of this module. */
export function createStanding(config: Config, log: Log): Standing & { close(): void } {
  const { edge, gatewayHost } = config
  const bundle = { what: 'trust bundle', freshMs: minute, usableMs: Number.POSITIVE_INFINITY, log }
  const own = (signal: AbortSignal) => (edge ? readTrustBundle(edge, signal) : readOwnAuthorities(config))
  const all = async (signal: AbortSignal) => `${await own(signal)}\n${getCACertificates('default').join('\n')}`
  // Without a runtime nobody says whom the device trusts: the public authorities, then.
  const trust = createKept({ ...bundle, load: edge ? own : all })
  const publicTrust = createKept({ ...bundle, load: all })
  const issue = edge && createTokenIssuer(edge)
  const token = createKept({
    what: 'token for edgeHub',
    // As long as the original's, and renewed when half of it is over.
    load: async (signal) => issue?.(60 * minute, signal) ?? Promise.reject(new Error('this is no IoT Edge module')),
    freshMs: 30 * minute,
    usableMs: 55 * minute,
    log
  })
  return {
    ...{ trust, publicTrust, gatewayHost, token },
    close() {
      for (const kept of [trust, publicTrust, token]) kept.close()
    }
  }
}

/** `ca.crt` beside the certificate files; without it there are none. */
async function readOwnAuthorities({ certificate }: Config): Promise<string> {
  if (certificate.kind !== 'files') return ''
  try {
    return await readFile(join(certificate.directory, 'ca.crt'), 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw error
  }
}
