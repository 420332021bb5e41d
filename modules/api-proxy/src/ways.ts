import type { Agent, IncomingMessage } from 'node:http'
import type { Log } from '@connected-registry/edge-module/log.ts'
import { createForward, type Forward, type ForwardLimits, forwardLimits } from './forward.ts'
import { hubHeaders } from './hub-auth.ts'
import type { Kept } from './kept.ts'
import { RegistryAgent } from './registry-agent.ts'
import { createRelay } from './relay.ts'
import type { Upstream } from './routes.ts'
import { SecureAgent } from './secure-agent.ts'
import { createUpgrade } from './upgrade.ts'

/** How this device is known and whom it trusts. */
export interface Standing {
  /** PEM that the parent and edgeHub are verified against. */
  readonly trust: Kept<string>
  /** PEM for all others: the same, and the public authorities that Node knows. */
  readonly publicTrust: Kept<string>
  /** What edgeHub's certificate is made out to: the device as its clients call it. */
  readonly gatewayHost: string
  /** Of this module, for edgeHub. */
  readonly token: Kept<string>
}

export interface WayOptions {
  readonly standing: Standing
  readonly log: Log
  readonly limits?: ForwardLimits
}

/** A direct method may be waited for five minutes. */
const hubAnswerTimeoutMs = 330_000

/** The way to a place, as its kind wants it: whom to trust there, and what to say of the client. */
export function createWay(upstream: Upstream, { standing, log, limits = forwardLimits }: WayOptions): Forward {
  if (upstream.kind === 'registry' && upstream.protocol === 'http') return createRelay(upstream, log, limits)
  const agent = agentFor(upstream, standing, limits)
  const { token } = standing
  if (upstream.kind === 'parent') return createForward({ upstream, agent, log, limits, isDoor: true })
  if (upstream.kind !== 'edgeHub') return createForward({ upstream, agent, log, limits })
  const patient = { ...limits, answerTimeoutMs: Math.max(limits.answerTimeoutMs, hubAnswerTimeoutMs) }
  const introduce = (request: IncomingMessage) => hubHeaders(request, token)
  const options = { upstream, agent, log, limits: patient, introduce }
  return { ...createForward(options), upgrade: createUpgrade(options) }
}

function agentFor({ kind, protocol, address }: Upstream, standing: Standing, limits: ForwardLimits): Agent {
  const { trust, publicTrust, gatewayHost } = standing
  if (protocol === 'http') return new RegistryAgent(limits.connectTimeoutMs)
  const name = kind === 'edgeHub' ? gatewayHost : address.host
  return new SecureAgent({ name, trust: kind === 'module' ? publicTrust : trust }, limits.connectTimeoutMs)
}
