import { randomBytes, randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, importJWK } from 'jose'
import { z } from 'zod'
import { keys } from '../storage/layout.ts'
import { ConflictError, type RecordStore, type Value } from '../storage/record-store.ts'

/** Signs what this instance issues. Kept with the records, so that they outlive a restart; no other instance has them. */
export interface SigningKeys {
  /** Of access tokens: ES256, another one each month. Makes the new one when it is due. */
  current(): Promise<SigningKey>
  /** Verifies access tokens: the current key, and the former one while what it signed may last. Undefined: none of ours. */
  publicKey(id: string): CryptoKey | undefined
  /** Of refresh tokens: HS256, the same for ever, since a refresh token lasts as long as the password it stands for. */
  readonly refreshSecret: Uint8Array
}

export interface SigningKey {
  readonly id: string
  readonly privateKey: CryptoKey
}

export interface SigningKeysOptions {
  /** Milliseconds since 1970. */
  readonly now?: () => number
  /** Told when a key that was due could not be kept: the former one signs on. */
  readonly onFailure?: (error: unknown) => void
}

export const signingAlgorithm = 'ES256'
export const refreshAlgorithm = 'HS256'
const rotateMs = 30 * 24 * 3_600_000
/** Much longer than an access token lasts. */
const overlapMs = 3_600_000
const retryMs = 3_600_000

const recordKey = keys.identity('signing-keys')
const keyShape = z.object({
  id: z.string(),
  /** Milliseconds since 1970. */
  madeAt: z.number(),
  jwk: z.object({ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string(), y: z.string(), d: z.string() })
})
const recordShape = z.object({ refreshSecret: z.string().min(40), current: keyShape, former: keyShape.optional() })
type KeyRecord = z.infer<typeof keyShape>
type KeysRecord = z.infer<typeof recordShape>

interface LoadedKey extends SigningKey {
  readonly madeAt: number
  readonly publicKey: CryptoKey
}

/** The keys of this instance, made at its first start. */
export async function loadSigningKeys(
  records: Pick<RecordStore, 'get' | 'commit'>,
  { now = Date.now, onFailure = () => {} }: SigningKeysOptions = {}
): Promise<SigningKeys> {
  const record = await loadRecord(records, now())
  let current = await importKey(record.current)
  let former = record.former && (await importKey(record.former))
  let rotating: Promise<void> | undefined
  let retryAt = 0

  // Made after now: the clock was wrong then, or is now, and nothing would ever end such a key.
  function isDue(): boolean {
    const age = now() - current.madeAt
    return (age >= rotateMs || age < -overlapMs) && now() >= retryAt
  }

  // Read again: a batch of which we heard that it failed may be there all the same.
  async function rotate(): Promise<void> {
    const kept = readRecord(await records.get(recordKey))
    const isDone = kept.current.id !== current.id
    const next = isDone ? kept : { ...kept, current: await makeKey(now()), former: kept.current }
    const imported = await importKey(next.current)
    if (!isDone) await records.commit({ put: [[recordKey, next]], expect: [[recordKey, kept]] })
    former = current
    current = imported
  }

  async function tryToRotate(): Promise<void> {
    try {
      await rotate()
    } catch (error) {
      retryAt = now() + retryMs
      onFailure(error)
    } finally {
      rotating = undefined
    }
  }

  return {
    async current() {
      if (isDue()) {
        rotating ??= tryToRotate()
        await rotating
      }
      return current
    },
    publicKey(id) {
      if (id === current.id) return current.publicKey
      const isOver = now() >= current.madeAt + overlapMs
      return former?.id === id && !isOver ? former.publicKey : undefined
    },
    refreshSecret: Buffer.from(record.refreshSecret, 'base64url')
  }
}

async function loadRecord(records: Pick<RecordStore, 'get' | 'commit'>, now: number): Promise<KeysRecord> {
  const kept = await records.get(recordKey)
  if (kept !== undefined) return readRecord(kept)
  const made: KeysRecord = { refreshSecret: randomBytes(32).toString('base64url'), current: await makeKey(now) }
  try {
    await records.commit({ put: [[recordKey, made]], expect: [[recordKey, undefined]] })
    return made
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error
    return readRecord(await records.get(recordKey))
  }
}

function readRecord(record: Value | undefined): KeysRecord {
  const parsed = recordShape.safeParse(record)
  // The cause is left out: it could quote a key.
  if (!parsed.success) throw new Error('the record of the signing keys cannot be read')
  return parsed.data
}

async function makeKey(now: number): Promise<KeyRecord> {
  const { privateKey } = await generateKeyPair(signingAlgorithm, { extractable: true })
  return keyShape.parse({ id: randomUUID(), madeAt: now, jwk: await exportJWK(privateKey) })
}

async function importKey({ id, madeAt, jwk: { d, ...open } }: KeyRecord): Promise<LoadedKey> {
  return { id, madeAt, privateKey: await importHalf({ ...open, d }), publicKey: await importHalf(open) }
}

async function importHalf(key: Parameters<typeof importJWK>[0]): Promise<CryptoKey> {
  const imported = await importJWK(key, signingAlgorithm)
  if (imported instanceof Uint8Array) throw new Error('the signing key is not an elliptic curve key')
  return imported
}
