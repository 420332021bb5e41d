import { createHmac } from 'node:crypto'
import type { EdgeEnvironment } from './env.ts'
import { createWorkload } from './workload.ts'

/** A shared access signature of this module, good for `lifeMs`; rejects where the workload API does not sign. */
export type IssueToken = (lifeMs: number, signal: AbortSignal) => Promise<string>

type Sign = (data: Buffer, signal: AbortSignal) => Promise<Buffer>

/** IoT Hub, "SAS token structure": the signature covers the resource, a line break and the expiry in seconds. */
export function createTokenIssuer(environment: EdgeEnvironment): IssueToken {
  const { deviceId, moduleId, iotHubHost } = environment
  const resource = encodeURIComponent(`${iotHubHost}/devices/${deviceId}/modules/${moduleId}`)
  const sign = signerFor(environment)
  return async (lifeMs, signal) => {
    const expiry = Math.floor((Date.now() + lifeMs) / 1000)
    const signature = (await sign(Buffer.from(`${resource}\n${expiry}`), signal)).toString('base64')
    return `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}&se=${expiry}`
  }
}

function signerFor(environment: EdgeEnvironment): Sign {
  if (environment.kind === 'runtime') return createWorkload(environment).sign
  const key = Buffer.from(environment.sharedAccessKey, 'base64')
  return async (data) => createHmac('sha256', key).update(data).digest()
}
