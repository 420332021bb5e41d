import type { NewDetail } from './status.ts'
import { isStatusCode, statusCodes } from './status-codes.ts'

/** A failure's own word for itself, as status details and logs name it. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'INTERNAL'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'INTERNAL'
  return diskErrors.has(code) ? 'DiskError' : code
}

/** The parent cannot be reached at all: going on to the next repository is no use. */
export function isLinkFailure(error: unknown): boolean {
  return linkFailures.has(codeOf(error))
}

/** The parent gave no answer. What it did answer, a refusal included, is contact. */
export function isContact(error: unknown): boolean {
  return !isLinkFailure(error) && !silences.has(codeOf(error))
}

/** Whether the same may well succeed later by itself: the link's failures say so. */
export function isPassing(error: unknown): boolean {
  return error instanceof Error && 'retryable' in error && error.retryable === true
}

export function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** `INTERNAL` where it is none of the causes we know; its own words stay. */
export function detailOf(error: unknown, subject: string): NewDetail {
  const named = codeOf(error)
  const code = isStatusCode(named) ? named : 'INTERNAL'
  return { type: statusCodes[code].type, code, description: `${subject}: ${describe(error)}` }
}

const diskErrors = new Set(['ENOSPC', 'EDQUOT', 'EACCES', 'EPERM', 'EROFS', 'EIO', 'ENOTDIR'])
const linkFailures = new Set(['UNREACHABLE', 'UNTRUSTED', 'BREAKER_OPEN'])
const silences = new Set(['TIMEOUT', 'INTERRUPTED'])
