import type { EdgeEnvironment } from './env.ts'

/** Who this module is. Hosts are names without a port. */
export interface Identity {
  readonly deviceId: string
  readonly moduleId: string
  /** The edge device, as its clients call it. */
  readonly gatewayHost?: string
  /** The edge device above, where devices are nested. */
  readonly parentHost?: string
}

export function identityOf(environment: EdgeEnvironment): Identity {
  const { deviceId, moduleId, gatewayHost } = environment
  const parentHost = environment.kind === 'runtime' ? environment.parentHost : undefined
  return {
    deviceId,
    moduleId,
    ...(gatewayHost && { gatewayHost: withoutPort(gatewayHost) }),
    ...(parentHost && { parentHost: withoutPort(parentHost) })
  }
}

/** A bare IPv6 address has more than one colon, and a bracketed one keeps its brackets off. */
function withoutPort(host: string): string {
  const [, bracketed] = /^\[(.+)\](?::\d+)?$/.exec(host) ?? []
  if (bracketed) return bracketed
  return host.replace(/^([^:]+):\d+$/, '$1')
}
