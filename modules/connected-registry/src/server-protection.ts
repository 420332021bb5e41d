import type { EdgeEnvironment } from '@connected-registry/edge-module/env.ts'
import type { Log } from '@connected-registry/edge-module/log.ts'
import { type Authorities, followAuthorities } from './authorities.ts'
import type { Config } from './config.ts'
import { followServerCertificate, type ServerCertificate } from './server-certificate.ts'
import type { NewDetail } from './sync/status.ts'
import { followWorkloadCertificate } from './workload-certificate.ts'

export interface ServerProtection {
  /** Undefined: plain HTTP. */
  readonly certificate: ServerCertificate | undefined
  /** Whose certificates clients are asked for; undefined: they are not. */
  readonly clientAuthorities: Authorities | undefined
  /** What is wrong with any of it. */
  details(): readonly NewDetail[]
  close(): void
}

export interface ProtectionOptions {
  readonly edge: EdgeEnvironment | undefined
  readonly log: Log
  /** How often the files of the certificate volume are read. */
  readonly lookMs: number
  readonly onChange: () => void
}

/** What this registry shows to its clients, and what it asks of them. Throws ConfigError where that cannot be had here. */
export async function protectServer(config: Config, options: ProtectionOptions): Promise<ServerProtection> {
  const { certificateVolume: folder, certificateSource, loginServer } = config
  const certificate =
    certificateSource === 'workload'
      ? followWorkloadCertificate({ ...options, loginServer })
      : await followServerCertificate({ ...options, folder })
  const clients = await followClientAuthorities(folder, options)
  // Node's server asks for certificates from its start on, or never.
  const isAsking = clients.pems !== undefined
  return {
    certificate,
    clientAuthorities: certificate && isAsking ? clients : undefined,
    details() {
      const idle = clients.pems && idleReason(certificate, isAsking)
      const idleDetail = idle === undefined ? [] : [clientDetail(`${folder}: client-ca.crt ${idle}`)]
      return [...idleDetail, ...(clients.problem ? [clients.problem] : []), ...(certificate?.details() ?? [])]
    },
    close() {
      clients.close()
      certificate?.close()
    }
  }
}

/** `client-ca.crt` of the certificate volume. One that was never right has no authority, and no certificate is valid. */
async function followClientAuthorities(folder: string, { log, lookMs, onChange }: ProtectionOptions) {
  const code = 'CLIENT_CA_REFUSED'
  const clients = await followAuthorities({ folder, name: 'client-ca.crt', code, lookMs, onChange })
  clients.onChange(() => log.info({ file: 'client-ca.crt' }, 'other authorities trusted'))
  return clients
}

function idleReason(certificate: ServerCertificate | undefined, isAsking: boolean): string | undefined {
  if (!certificate) return 'does nothing without tls.crt and tls.key, for this registry speaks plain HTTP'
  return isAsking ? undefined : 'was not there at the start: clients are asked for certificates after a restart'
}

function clientDetail(description: string): NewDetail {
  return { type: 'Settings', code: 'CLIENT_CA_REFUSED', description }
}
