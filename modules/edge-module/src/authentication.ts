import { createHmac } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { reasonOf } from './deadline.ts'
import type { EdgeEnvironment } from './env.ts'
import type { Log } from './log.ts'
import type { Timings } from './timings.ts'
import { createWorkload } from './workload.ts'

/** Credentials in the field names of azure-iot-common's TransportConfig. */
export interface Credentials {
  readonly host: string
  readonly deviceId: string
  readonly moduleId: string
  readonly gatewayHostName?: string
  readonly sharedAccessSignature: string
}

type CredentialsCallback = (error?: Error, credentials?: Credentials) => void
type Sign = (data: Buffer, signal: AbortSignal) => Promise<Buffer>

interface AuthenticationOptions {
  readonly environment: EdgeEnvironment
  readonly timings: Timings
  readonly log: Log
}

/**
 * azure-iot-common's AuthenticationProvider for a module: a signed token that is renewed while it is in use. The SDK's
 * own providers give up, or end the process, when the workload API does not sign at renewal; this one tries again for
 * as long as the old token is good, and the connection stays up meanwhile.
 */
export class Authentication extends EventEmitter<{ newTokenAvailable: [Credentials] }> {
  /** azure-iot-common, AuthenticationType.Token. */
  readonly type = 1
  readonly #options: AuthenticationOptions
  readonly #sign: Sign
  #life = new AbortController()

  constructor(options: AuthenticationOptions) {
    super()
    this.#options = options
    this.#sign = signerFor(options.environment)
  }

  getDeviceCredentials(callback: CredentialsCallback): void
  getDeviceCredentials(): Promise<Credentials>
  getDeviceCredentials(callback?: CredentialsCallback): Promise<Credentials> | undefined {
    const credentials = this.#begin()
    if (!callback) return credentials
    credentials.then(
      (value) => callback(undefined, value),
      (error: Error) => callback(error)
    )
    return undefined
  }

  /** The SDK's word for "not connected any more". */
  stop(): void {
    this.#life.abort()
  }

  async #begin(): Promise<Credentials> {
    this.#life.abort()
    this.#life = new AbortController()
    const { signal } = this.#life
    const credentials = await this.#issue(signal)
    if (!signal.aborted) void this.#renewWhileAlive(signal)
    return credentials
  }

  async #renewWhileAlive(signal: AbortSignal): Promise<void> {
    const { tokenRenewAfterMs, signRetryMs } = this.#options.timings
    let delayMs = tokenRenewAfterMs
    while (!signal.aborted) {
      await wait(delayMs, undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return
      delayMs = (await this.#renew(signal)) ? tokenRenewAfterMs : signRetryMs
    }
  }

  async #renew(signal: AbortSignal): Promise<boolean> {
    try {
      const credentials = await this.#issue(signal)
      if (!signal.aborted) this.emit('newTokenAvailable', credentials)
      return true
    } catch (error) {
      if (!signal.aborted) this.#options.log.warn({ reason: reasonOf(error) }, 'token not renewed, will try again')
      return false
    }
  }

  /** IoT Hub, "SAS token structure": the signature covers the resource, a line break and the expiry in seconds. */
  async #issue(signal: AbortSignal): Promise<Credentials> {
    const { deviceId, moduleId, iotHubHost, gatewayHost } = this.#options.environment
    const resource = encodeURIComponent(`${iotHubHost}/devices/${deviceId}/modules/${moduleId}`)
    const expiry = Math.floor((Date.now() + this.#options.timings.tokenLifeMs) / 1000)
    const signature = (await this.#sign(Buffer.from(`${resource}\n${expiry}`), signal)).toString('base64')
    return {
      host: iotHubHost,
      deviceId,
      moduleId,
      ...(gatewayHost && { gatewayHostName: gatewayHost }),
      sharedAccessSignature: `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}&se=${expiry}`
    }
  }
}

function signerFor(environment: EdgeEnvironment): Sign {
  if (environment.kind === 'runtime') return createWorkload(environment).sign
  const key = Buffer.from(environment.sharedAccessKey, 'base64')
  return async (data) => createHmac('sha256', key).update(data).digest()
}
