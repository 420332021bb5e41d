import { createPrivateKey, X509Certificate } from 'node:crypto'
import { ConfigError } from '@connected-registry/edge-module/config-error.ts'
import type { EdgeEnvironment } from '@connected-registry/edge-module/env.ts'
import { identityOf } from '@connected-registry/edge-module/identity.ts'
import type { Log } from '@connected-registry/edge-module/log.ts'
import { type CertificateWatchOptions, watchServerCertificate } from '@connected-registry/edge-module/tls.ts'
import { createWorkload } from '@connected-registry/edge-module/workload.ts'
import { type CertificatePair, isServable, type ServerCertificate } from './server-certificate.ts'

export interface WorkloadCertificateOptions extends Pick<CertificateWatchOptions, 'now' | 'setTimer'> {
  readonly edge: EdgeEnvironment | undefined
  /** What clients call this registry, `host[:port]`; undefined: as they call the device. */
  readonly loginServer?: string | undefined
  readonly log: Log
  /** Another certificate is in force, or it is another reason why none is. */
  readonly onChange?: () => void
}

/**
 * The certificate of the IoT Edge runtime, good for one name and the module's id; another one at two thirds of its life. Throws
 * ConfigError where there is no runtime, or no name.
 */
export function followWorkloadCertificate(options: WorkloadCertificateOptions): ServerCertificate {
  const { edge, loginServer, onChange = () => {}, ...watching } = options
  if (edge?.kind !== 'runtime') throw refusal('workload is for IoT Edge: there is no workload API here')
  const commonName = loginServer?.replace(/:\d+$/, '') ?? identityOf(edge).gatewayHost
  if (!commonName) throw refusal('neither ACR_REGISTRY_LOGIN_SERVER nor IOTEDGE_GATEWAYHOSTNAME names this registry')
  const workload = createWorkload(edge)
  const listeners: ((pair: CertificatePair) => void)[] = []
  let current: CertificatePair | undefined
  let problem: string | undefined
  const watch = watchServerCertificate({
    ...watching,
    load: (signal) => workload.serverCertificate(commonName, signal),
    onCertificate({ certificate, privateKey, expiration }) {
      const pair = { certificate, privateKey, expiresAt: expiration }
      // What is thrown here counts as not obtained.
      if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(privateKey))) {
        throw new Error('the key is not that of the certificate')
      }
      if (!isServable(pair)) throw new Error('the chain of the certificate is not whole, or its key is too weak')
      for (const listener of listeners) listener(pair)
      current = pair
      onChange()
    },
    onProblem(reason) {
      if (reason === problem) return
      problem = reason
      onChange()
    }
  })
  return {
    source: 'workload',
    get current() {
      return current
    },
    details: () =>
      problem === undefined ? [] : [{ type: 'Settings', code: 'CERTIFICATE_AWAITED', description: problem }],
    onChange: (listener) => void listeners.push(listener),
    close: () => watch.stop()
  }
}

function refusal(message: string): ConfigError {
  return new ConfigError([`ACR_REGISTRY_CERTIFICATE_SOURCE: ${message}`])
}
