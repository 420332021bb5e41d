import type { Socket } from 'node:net'
import type { EdgeEnvironment } from '@connected-registry/edge-module/env.ts'
import type { Log } from '@connected-registry/edge-module/log.ts'
import { followAuthorities } from './authorities.ts'
import type { Config } from './config.ts'
import type { CertificateDemand } from './http/client-certificates.ts'
import type { ClientAuthorities } from './registry-server.ts'
import { followServerCertificate, type ServerCertificate } from './server-certificate.ts'
import type { NewDetail } from './sync/status.ts'
import { followWorkloadCertificate } from './workload-certificate.ts'

export interface ServerProtection {
  /** Undefined: plain HTTP. */
  readonly certificate: ServerCertificate | undefined
  /** Whose certificates clients are asked for; as long as it has none, and where it is undefined, they are not. */
  readonly clientAuthorities: ClientAuthorities | undefined
  /** What is asked of the client of a TLS connection now; undefined: nothing. */
  demand(socket: Socket): CertificateDemand | undefined
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
  const { certificateVolume: folder, certificateSource, loginServer, clientCertificates: kind } = config
  const certificate =
    certificateSource === 'workload'
      ? followWorkloadCertificate({ ...options, loginServer })
      : await followServerCertificate({ ...options, folder })
  const clients = await followClientAuthorities(folder, options)
  // Whoever comes later has to be right once: of one that is not yet, nobody is shut out.
  let isAsking = clients.pems !== undefined
  clients.onChange(() => {
    isAsking = true
  })
  const inForce = () => (isAsking ? clients.pems : undefined)
  const begun = new WeakMap<Socket, readonly string[] | undefined>()
  return {
    certificate,
    clientAuthorities: certificate && {
      get pems() {
        return inForce()
      },
      onChange: clients.onChange,
      shookHands: (socket) => void begun.set(socket, inForce())
    },
    demand(socket) {
      const authorities = inForce()
      return authorities && { kind, isOutdated: begun.get(socket) !== authorities }
    },
    details() {
      const idle = clients.pems && !certificate ? [idleDetail(folder)] : []
      return [...idle, ...(clients.problem ? [clients.problem] : []), ...(certificate?.details() ?? [])]
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

function idleDetail(folder: string): NewDetail {
  const reason = 'does nothing without tls.crt and tls.key, for this registry speaks plain HTTP'
  return { type: 'Settings', code: 'CLIENT_CA_REFUSED', description: `${folder}: client-ca.crt ${reason}` }
}
