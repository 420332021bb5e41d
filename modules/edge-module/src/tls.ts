import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { backoffMs } from './backoff.ts'
import { reasonOf } from './deadline.ts'
import type { Log } from './log.ts'
import type { ServerCertificate } from './workload.ts'

export interface CertificateWatchOptions {
  readonly load: (signal: AbortSignal) => Promise<ServerCertificate>
  /** Called with the first certificate and with each different one after it. */
  readonly onCertificate: (certificate: ServerCertificate) => void
  /** Why there is no better one than that, or none; undefined: there is no reason any more. */
  readonly onProblem?: (problem: string | undefined) => void
  readonly log: Log
  /** Milliseconds since the epoch. */
  readonly now?: () => number
  /** Runs it once after the delay; returns how to cancel. */
  readonly setTimer?: (run: () => void, delayMs: number) => () => void
}

export interface CertificateWatch {
  stop(): void
}

const retry = { minimumMs: 1_000, maximumMs: 300_000 }

// A device may start in 1970 and be told the time later, which ends a certificate at once; and timers hold 24.8 days at most.
const longestWaitMs = 10 * 60_000

/**
 * Obtains a certificate, and another one when two thirds of its life are over; while that fails the old one stays in
 * use, and the attempts go on, with growing waits of up to five minutes. One that is over never takes the place of a better one.
 */
export function watchServerCertificate(options: CertificateWatchOptions): CertificateWatch {
  const { load, onCertificate, onProblem = () => {}, log, now = Date.now, setTimer = realTimer } = options
  const life = new AbortController()
  let held: ServerCertificate | undefined
  let due = 0
  let failures = 0
  let cancel = () => {}

  function schedule(): void {
    if (life.signal.aborted) return
    const dueInMs = Math.max(0, due - now())
    if (failures > 0) cancel = setTimer(renew, backoffMs(failures - 1, retry))
    else cancel = setTimer(dueInMs > longestWaitMs ? schedule : renew, Math.min(dueInMs, longestWaitMs))
  }

  async function renew(): Promise<void> {
    try {
      take(await load(life.signal))
    } catch (error) {
      failed(error)
    }
    schedule()
  }

  function failed(error: unknown): void {
    if (life.signal.aborted) return
    failures++
    const reason = reasonOf(error)
    log.warn({ reason, failures }, 'server certificate not obtained')
    onProblem(reason)
  }

  function take(certificate: ServerCertificate): void {
    if (life.signal.aborted) return
    const isOver = endOf(certificate) <= now()
    const isWorse = held !== undefined && endOf(certificate) < endOf(held)
    if (isOver && isWorse) throw new Error(overText(certificate))
    const changed = certificate.certificate !== held?.certificate || certificate.privateKey !== held.privateKey
    if (changed) {
      onCertificate(certificate)
      log.info({ expiration: certificate.expiration.toISOString() }, 'server certificate obtained')
      held = certificate
      due = renewalTime(certificate)
    }
    // A door that shows one is of more use than none: its clients say what is wrong with it.
    if (isOver) throw new Error(overText(certificate))
    onProblem(undefined)
    // One that is due already, such as a file that was not replaced yet, counts as a failure to renew.
    failures = due <= now() ? failures + 1 : 0
  }

  void renew()
  return {
    stop() {
      life.abort()
      cancel()
    }
  }
}

function renewalTime(certificate: ServerCertificate): number {
  const begins = new X509Certificate(certificate.certificate).validFromDate.getTime()
  return begins + ((endOf(certificate) - begins) * 2) / 3
}

/** What clients go by is the certificate itself, whatever is said of it. */
function endOf({ certificate, expiration }: ServerCertificate): number {
  return Math.min(expiration.getTime(), new X509Certificate(certificate).validToDate.getTime())
}

function overText(certificate: ServerCertificate): string {
  return `the certificate expired at ${new Date(endOf(certificate)).toISOString()}`
}

function realTimer(run: () => void, delayMs: number): () => void {
  const timer = setTimeout(run, delayMs)
  return () => clearTimeout(timer)
}

/** Reads `tls.crt` and `tls.key` (PEM), the names of a Kubernetes TLS secret; throws when they do not belong together. */
export function certificateFromFiles(directory: string): () => Promise<ServerCertificate> {
  return async () => {
    const certificate = await readFile(join(directory, 'tls.crt'), 'utf8')
    const privateKey = await readFile(join(directory, 'tls.key'), 'utf8')
    const leaf = new X509Certificate(certificate)
    if (!leaf.checkPrivateKey(createPrivateKey(privateKey))) throw new Error(`${directory}: tls.key is not of tls.crt`)
    return { certificate, privateKey, expiration: leaf.validToDate }
  }
}
