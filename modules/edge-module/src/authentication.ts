import { EventEmitter } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { reasonOf } from './deadline.ts'
import type { EdgeEnvironment } from './env.ts'
import type { Log } from './log.ts'
import { createTokenIssuer, type IssueToken } from './sas-token.ts'
import type { Timings } from './timings.ts'

/** Credentials in the field names of azure-iot-common's TransportConfig. */
export interface Credentials {
  readonly host: string
  readonly deviceId: string
  readonly moduleId: string
  readonly gatewayHostName?: string
  readonly sharedAccessSignature: string
}

type CredentialsCallback = (error?: Error, credentials?: Credentials) => void

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
  readonly #issueToken: IssueToken
  #life = new AbortController()

  constructor(options: AuthenticationOptions) {
    super()
    this.#options = options
    this.#issueToken = createTokenIssuer(options.environment)
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

  async #issue(signal: AbortSignal): Promise<Credentials> {
    const { deviceId, moduleId, iotHubHost, gatewayHost } = this.#options.environment
    return {
      host: iotHubHost,
      deviceId,
      moduleId,
      ...(gatewayHost && { gatewayHostName: gatewayHost }),
      sharedAccessSignature: await this.#issueToken(this.#options.timings.tokenLifeMs, signal)
    }
  }
}
