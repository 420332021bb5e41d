import type { EdgeEnvironment } from '@connected-registry/edge-module/env.ts'
import type { Log } from '@connected-registry/edge-module/log.ts'
import type { Config } from './config.ts'
import { followServerCertificate, type ServerCertificate } from './server-certificate.ts'
import type { NewDetail } from './sync/status.ts'
import { readClientAuthorities } from './trust.ts'
import { followWorkloadCertificate } from './workload-certificate.ts'

export interface ServerProtection {
  /** Undefined: plain HTTP. */
  readonly certificate: ServerCertificate | undefined
  /** PEM: whose certificates clients are asked for; undefined: they are not. */
  readonly clientAuthorities: readonly string[] | undefined
  /** What is wrong with any of it. */
  details(): readonly NewDetail[]
}

export interface ProtectionOptions {
  readonly edge: EdgeEnvironment | undefined
  readonly log: Log
  /** How often the files of the certificate are read. */
  readonly lookMs: number
  readonly onChange: () => void
}

/** What this registry shows to its clients, and what it asks of them. Throws ConfigError where that cannot be had here. */
export async function protectServer(config: Config, options: ProtectionOptions): Promise<ServerProtection> {
  const { certificateVolume: folder, certificateSource, loginServer } = config
  const clients = await readClientAuthorities(folder)
  const certificate =
    certificateSource === 'workload'
      ? followWorkloadCertificate({ ...options, loginServer })
      : await followServerCertificate({ ...options, folder })
  const idle: NewDetail[] = clients && !certificate ? [idleAuthorities(folder)] : []
  return {
    certificate,
    clientAuthorities: certificate && clients?.pems,
    details: () => [...idle, ...(clients?.problem ? [clients.problem] : []), ...(certificate?.details() ?? [])]
  }
}

function idleAuthorities(folder: string): NewDetail {
  const description = `${folder}: client-ca.crt does nothing without tls.crt and tls.key, for this registry speaks plain HTTP`
  return { type: 'Settings', code: 'CLIENT_CA_REFUSED', description }
}
