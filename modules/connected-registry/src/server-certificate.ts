import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import type { NewDetail } from './sync/status.ts'

/** PEM, the leaf first. */
export interface CertificatePair {
  readonly certificate: string
  readonly privateKey: string
  readonly expiresAt: Date
}

/** The certificate this registry shows to its clients, as the files of the certificate volume have it. */
export interface ServerCertificate {
  readonly source: 'volume' | 'workload'
  /** The pair in force; undefined: none was right yet, and nobody can connect. */
  readonly current: CertificatePair | undefined
  /** What is wrong with the files, and an end that is near. */
  details(): readonly NewDetail[]
  /** Told of each pair that comes into force. */
  onChange(listener: (pair: CertificatePair) => void): void
  close(): void
}

export interface ServerCertificateOptions {
  /** Holds `tls.crt` and `tls.key`. */
  readonly folder: string
  /** How often the files are read. */
  readonly lookMs: number
  /** The files are others than before; what is in force may be the former pair. */
  readonly onChange?: () => void
  readonly now?: () => number
}

const warnedMs = 14 * 24 * 3_600_000

/**
 * Undefined: there is neither file, and this registry speaks plain HTTP. The files are read every so often; a pair that is right
 * comes into force for new connections, one that is not leaves the former one in force.
 */
export async function followServerCertificate(
  options: ServerCertificateOptions
): Promise<ServerCertificate | undefined> {
  const { folder, lookMs, onChange = () => {}, now = Date.now } = options
  const first = await readFiles(folder)
  if (first.certificate === undefined && first.privateKey === undefined) return undefined
  const listeners: ((pair: CertificatePair) => void)[] = []
  let read: Files = {}
  let current: CertificatePair | undefined
  let problem: string | undefined
  let timer: NodeJS.Timeout | undefined
  let isClosed = false

  function take(files: Files): void {
    read = files
    const pair = readPair(files)
    problem = typeof pair === 'string' ? `${folder}: ${pair}` : undefined
    if (typeof pair !== 'string') {
      current = pair
      for (const listener of listeners) listener(pair)
    }
  }

  async function look(): Promise<void> {
    const files = await readFiles(folder)
    if (isClosed) return
    if (files.certificate !== read.certificate || files.privateKey !== read.privateKey) {
      take(files)
      onChange()
    }
    timer = setTimeout(look, lookMs)
  }

  function details(): readonly NewDetail[] {
    const found: NewDetail[] = []
    if (problem !== undefined) found.push({ type: 'Settings', code: 'CERTIFICATE_REFUSED', description: problem })
    if (current && current.expiresAt.getTime() - now() < warnedMs) {
      const description = `${folder}: tls.crt is good until ${current.expiresAt.toISOString()}`
      found.push({ type: 'Settings', code: 'CERTIFICATE_EXPIRES', description })
    }
    return found
  }

  take(first)
  timer = setTimeout(look, lookMs)
  return {
    source: 'volume',
    get current() {
      return current
    },
    details,
    onChange: (listener) => void listeners.push(listener),
    close() {
      isClosed = true
      clearTimeout(timer)
    }
  }
}

interface Files {
  readonly certificate?: string | undefined
  readonly privateKey?: string | undefined
}

async function readFiles(folder: string): Promise<Files> {
  const [certificate, privateKey] = await Promise.all(['tls.crt', 'tls.key'].map((name) => textOf(join(folder, name))))
  return { certificate, privateKey }
}

/** What cannot be read is not there: that it was there before is what `readPair` then says. */
async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return undefined
  }
}

/** Why the two are no pair, in words of ours: the parsers' own might repeat a piece of the key. */
function readPair({ certificate, privateKey }: Files): CertificatePair | string {
  if (certificate === undefined) return 'tls.crt is missing or cannot be read'
  if (privateKey === undefined) return 'tls.key is missing or cannot be read'
  try {
    const leaf = new X509Certificate(certificate)
    if (!leaf.checkPrivateKey(createPrivateKey(privateKey))) return 'tls.key is not the key of tls.crt'
    const pair = { certificate, privateKey, expiresAt: leaf.validToDate }
    return isServable(pair)
      ? pair
      : 'tls.crt or tls.key cannot be served: the chain is not whole, or the key is too weak'
  } catch {
    return 'tls.crt or tls.key is not PEM'
  }
}

/** A right leaf with its key is not all of it: what is wrong further on, a server says by throwing where it is given the pair. */
export function isServable({ certificate, privateKey }: CertificatePair): boolean {
  try {
    createSecureContext({ cert: certificate, key: privateKey })
    return true
  } catch {
    return false
  }
}
