import { exportJWK, generateKeyPair, importJWK } from 'jose'
import { z } from 'zod'
import { keys } from '../storage/layout.ts'
import { ConflictError, type RecordStore } from '../storage/record-store.ts'

/** Signs access tokens. Kept with the records, so that they outlive a restart; no other instance has it. */
export interface SigningKey {
  readonly privateKey: CryptoKey
  readonly publicKey: CryptoKey
}

export const signingAlgorithm = 'ES256'
const recordKey = keys.identity('access-token-key')
const keyShape = z.object({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: z.string(),
  y: z.string(),
  d: z.string()
})

/** The key of this instance, made at its first start. */
export async function loadSigningKey(records: Pick<RecordStore, 'get' | 'commit'>): Promise<SigningKey> {
  const kept = await records.get(recordKey)
  if (kept !== undefined) return readKey(kept)
  try {
    const made = await makeKey()
    await records.commit({ put: [[recordKey, made]], expect: [[recordKey, undefined]] })
    return await readKey(made)
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error
    return readKey(await records.get(recordKey))
  }
}

async function makeKey(): Promise<z.infer<typeof keyShape>> {
  const { privateKey } = await generateKeyPair(signingAlgorithm, { extractable: true })
  return keyShape.parse(await exportJWK(privateKey))
}

async function readKey(record: unknown): Promise<SigningKey> {
  const parsed = keyShape.safeParse(record)
  // The cause is left out: it could quote the key.
  if (!parsed.success) throw new Error('the record of the access token key cannot be read')
  const { d, ...open } = parsed.data
  return { privateKey: await importKey({ ...open, d }), publicKey: await importKey(open) }
}

async function importKey(key: Parameters<typeof importJWK>[0]): Promise<CryptoKey> {
  const imported = await importJWK(key, signingAlgorithm)
  if (imported instanceof Uint8Array) throw new Error('the access token key is not an elliptic curve key')
  return imported
}
