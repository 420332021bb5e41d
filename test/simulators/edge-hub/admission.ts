import type { AuthenticateError, Client } from 'aedes'
import { verifySas } from './sas.ts'

export interface Credentials {
  /** Base64. */
  readonly key: string
}

export interface ConnectRecord {
  readonly module: string
  readonly clientId: string
  readonly username: string
  readonly password: string
  readonly clean: boolean
  readonly keepAliveSeconds: number
  /** Why it was refused. */
  readonly denied?: string
}

export interface AdmissionOptions {
  readonly iotHubHost: string
  readonly deviceId: string
  readonly modules: Readonly<Record<string, Credentials>>
  readonly faults: { denyConnect?: number | undefined }
  readonly onConnect: (record: ConnectRecord) => void
}

type Done = (error: AuthenticateError | null, success: boolean | null) => void
type Hello = Pick<ConnectRecord, 'clean' | 'keepAliveSeconds'>

const notAuthorized = 5

/** Who may connect: a module of this device, with its own id, user name and a token signed with its key. */
export function createAdmission({ iotHubHost, deviceId, modules, faults, onConnect }: AdmissionOptions) {
  const connects: ConnectRecord[] = []
  const hellos = new WeakMap<Client, Hello>()

  function moduleOf({ id }: Client): string {
    return id.slice(id.indexOf('/') + 1)
  }

  function preConnect(
    client: Client,
    packet: { clean?: boolean; keepalive?: number },
    done: (error: Error | null, success: boolean) => void
  ): void {
    hellos.set(client, { clean: packet.clean ?? false, keepAliveSeconds: packet.keepalive ?? 0 })
    done(null, true)
  }

  function authenticate(client: Client, user: string | undefined, secret: Buffer | undefined, done: Done): void {
    const username = String(user)
    const password = String(secret)
    const outcome = check(client, username, password)
    const denied = 'refused' in outcome ? { denied: outcome.refused } : {}
    const record = { module: moduleOf(client), clientId: client.id, username, password, ...hello(client), ...denied }
    connects.push(record)
    if ('refused' in outcome) done(refusal(outcome.refused, faults.denyConnect ?? notAuthorized), false)
    else {
      closeAtExpiry(client, outcome.expiry)
      done(null, true)
    }
    onConnect(record)
  }

  function hello(client: Client): Hello {
    return hellos.get(client) ?? { clean: true, keepAliveSeconds: 0 }
  }

  function check(client: Client, username: string, password: string): { expiry: number } | { refused: string } {
    if (faults.denyConnect !== undefined) return { refused: 'by fault' }
    const module = moduleOf(client)
    const key = modules[module]?.key
    const [hub, device, named, rest = ''] = username.split('/')
    const same = hub === iotHubHost && device === deviceId && named === module && client.id === `${device}/${named}`
    if (!key || !same || !rest.includes('api-version=')) return { refused: 'unknown identity' }
    return verifySas(password, { key, resource: `${iotHubHost}/devices/${deviceId}/modules/${module}` })
  }

  return { connects, moduleOf, preConnect, authenticate }
}

function refusal(why: string, returnCode: number): AuthenticateError {
  return Object.assign(new Error(why), { returnCode })
}

/** edgeHub ends connections whose token has expired. (ConnectionReauthenticator) */
function closeAtExpiry(client: Client, expiry: number): void {
  const delayMs = Math.min(expiry - Date.now(), 2 ** 31 - 1)
  const timer = setTimeout(() => client.close(), delayMs).unref()
  client.conn.once('close', () => clearTimeout(timer))
}
