import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'

/**
 * Password hashes: `scrypt$<log2 N>$<r>$<p>$<salt>$<key>`, salt and key in base64url (RFC 7914). The text carries its own
 * parameters, so that they can be raised without asking anybody for a new password.
 */
interface PasswordHash {
  readonly cost: Cost
  readonly salt: Buffer
  readonly key: Buffer
}

interface Cost {
  readonly log2N: number
  readonly r: number
  readonly p: number
}

const defaultCost: Cost = { log2N: 15, r: 8, p: 1 }
const saltBytes = 16
const keyBytes = 32
// A hash comes from settings: what it may ask of a small device is bounded, and what protects nothing is refused.
const limits = { log2N: [12, 17], r: [8, 16], p: [1, 4], memoryBytes: 128 * 2 ** 20 } as const
const hashText = /^scrypt\$(\d{2})\$(\d{1,2})\$(\d)\$([A-Za-z0-9_-]{22,86})\$([A-Za-z0-9_-]{43,86})$/

/** The text to keep for `password`. `log2N`: the work factor, 12 to 17. */
export async function hashPassword(password: string, log2N: number = defaultCost.log2N): Promise<string> {
  const cost = { ...defaultCost, log2N }
  const salt = randomBytes(saltBytes)
  const key = await derive(password, salt, keyBytes, cost)
  return ['scrypt', cost.log2N, cost.r, cost.p, salt.toString('base64url'), key.toString('base64url')].join('$')
}

/** True for a hash that `verifyPassword` can work with, at a cost that a small device can bear. */
export function isPasswordHash(text: string): boolean {
  return parsePasswordHash(text) !== undefined
}

/** False where `hash` is none. Takes tens of milliseconds off the main thread. */
export async function verifyPassword(password: string, hash: string): Promise<boolean> {
  const parsed = parsePasswordHash(hash)
  if (!parsed) return false
  const key = await derive(password, parsed.salt, parsed.key.length, parsed.cost)
  return timingSafeEqual(key, parsed.key)
}

function parsePasswordHash(text: string): PasswordHash | undefined {
  const [, log2N, r, p, salt, key] = hashText.exec(text) ?? []
  if (salt === undefined || key === undefined) return undefined
  const cost = { log2N: Number(log2N), r: Number(r), p: Number(p) }
  return isBearable(cost)
    ? { cost, salt: Buffer.from(salt, 'base64url'), key: Buffer.from(key, 'base64url') }
    : undefined
}

function isBearable(cost: Cost): boolean {
  return (
    isWithin(cost.log2N, limits.log2N) &&
    isWithin(cost.r, limits.r) &&
    isWithin(cost.p, limits.p) &&
    memoryOf(cost) <= limits.memoryBytes
  )
}

function isWithin(value: number, [least, most]: readonly [number, number]): boolean {
  return value >= least && value <= most
}

function memoryOf({ log2N, r }: Cost): number {
  return 128 * 2 ** log2N * r
}

function derive(password: string, salt: Buffer, length: number, cost: Cost): Promise<Buffer> {
  const options = { N: 2 ** cost.log2N, r: cost.r, p: cost.p, maxmem: 2 * memoryOf(cost) }
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  scrypt(password, salt, length, options, (error, key) => (error ? reject(error) : resolve(key)))
  return promise
}
