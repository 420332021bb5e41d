import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { describe } from './sync/problems.ts'
import type { NewDetail } from './sync/status.ts'
import type { StatusCode } from './sync/status-codes.ts'

/** Certificate authorities that a file of the certificate volume names. */
export interface Authorities {
  /** Those in force, as PEM texts; undefined: there was never such a file. */
  readonly pems: readonly string[] | undefined
  /** What is wrong with the file. */
  readonly problem: NewDetail | undefined
  /** Told of those that come into force. */
  onChange(listener: () => void): void
  close(): void
}

export interface AuthoritiesOptions {
  readonly folder: string
  readonly name: 'ca.crt' | 'client-ca.crt'
  readonly code: StatusCode
  /** How often the file is read. */
  readonly lookMs: number
  /** The file is another one than before. */
  readonly onChange?: () => void
}

type Reading =
  | { readonly kind: 'absent' }
  | { readonly kind: 'read'; readonly pems: readonly string[] }
  | { readonly kind: 'refused'; readonly reason: string }

/**
 * The file is read every so often. One that is right comes into force; where it cannot be used, or is gone, the former one stays
 * in force. One that was never right has no authorities.
 */
export async function followAuthorities(options: AuthoritiesOptions): Promise<Authorities> {
  const { folder, name, code, lookMs, onChange = () => {} } = options
  const path = join(folder, name)
  const listeners: (() => void)[] = []
  let last: Reading = { kind: 'absent' }
  let pems: readonly string[] | undefined
  let timer: NodeJS.Timeout | undefined
  let isClosed = false

  function take(reading: Reading): void {
    last = reading
    if (reading.kind === 'refused') pems ??= []
    if (reading.kind !== 'read') return
    pems = reading.pems
    for (const listener of listeners) listener()
  }

  async function look(): Promise<void> {
    const reading = await readAuthorities(path)
    if (isClosed) return
    if (!isDeepStrictEqual(reading, last)) {
      take(reading)
      onChange()
    }
    timer = setTimeout(look, lookMs)
  }

  function flaw(): string | undefined {
    if (last.kind === 'refused') return last.reason
    return last.kind === 'absent' && pems ? 'it is gone; what it held counts until a restart' : undefined
  }

  take(await readAuthorities(path))
  timer = setTimeout(look, lookMs)
  return {
    get pems() {
      return pems
    },
    get problem(): NewDetail | undefined {
      const reason = flaw()
      return reason === undefined ? undefined : { type: 'Settings', code, description: `${path}: ${reason}` }
    },
    onChange: (listener) => void listeners.push(listener),
    close() {
      isClosed = true
      clearTimeout(timer)
    }
  }
}

const pemBlock = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g
const pemBegin = /-----BEGIN CERTIFICATE-----/g
// No file, or no folder where it could be: the volume may be missing as a whole.
const absent: readonly unknown[] = ['ENOENT', 'ENOTDIR']

async function readAuthorities(path: string): Promise<Reading> {
  try {
    const text = await readFile(path, 'utf8')
    const pems = text.match(pemBlock) ?? []
    if (pems.length === 0) throw new Error('it holds no certificate')
    const begun = text.match(pemBegin)?.length
    if (begun !== pems.length) throw new Error(`of the ${begun} certificates that begin in it ${pems.length} are whole`)
    for (const pem of pems) new X509Certificate(pem)
    return { kind: 'read', pems: [...pems] }
  } catch (error) {
    if (error instanceof Error && 'code' in error && absent.includes(error.code)) return { kind: 'absent' }
    return { kind: 'refused', reason: describe(error) }
  }
}
