/** How the parent can fail us: code -> whether asking again may help, and what it did. */
const failures = {
  UNREACHABLE: { retryable: true, text: 'could not be reached' },
  TIMEOUT: { retryable: true, text: 'did not answer in time' },
  INTERRUPTED: { retryable: true, text: 'cut its answer short' },
  THROTTLED: { retryable: true, text: 'asks for fewer requests' },
  SERVER_ERROR: { retryable: true, text: 'failed' },
  LINK_EXPIRED: { retryable: true, text: 'does not honour the link it was reached by' },
  BREAKER_OPEN: { retryable: true, text: 'is left alone for a while after repeated failures' },
  UNTRUSTED: { retryable: false, text: 'shows a certificate that is not trusted' },
  UNAUTHORIZED: { retryable: false, text: 'refused the credentials' },
  DENIED: { retryable: false, text: 'denied access' },
  NOT_FOUND: { retryable: false, text: 'has nothing there' },
  NAME_UNKNOWN: { retryable: false, text: 'does not know the repository' },
  REFUSED: { retryable: false, text: 'refused the change' },
  UNSUPPORTED: { retryable: false, text: 'does not support this' },
  BAD_ANSWER: { retryable: false, text: 'gave an answer that cannot be used' },
  DIGEST_MISMATCH: { retryable: false, text: 'sent content that is not what its digest says' },
  REDIRECT_REFUSED: { retryable: false, text: 'redirects to where we do not follow' },
  TOKENS_NOT_PROVED: { retryable: false, text: 'cannot prove client tokens' },
  ADDRESS_REFUSED: { retryable: false, text: 'is not connected to' },
  REALM_REFUSED: { retryable: false, text: 'wants the credentials sent elsewhere' }
} as const

export type ParentErrorCode = keyof typeof failures

export interface ParentErrorDetails {
  /** What was being done, as one word: `manifest`, `tags`, `token`. */
  readonly operation: string
  /** Only its host and path are kept: the query of a signed link is a secret. */
  readonly url: URL
  readonly status?: number
  /** Our own words. Never text that the parent sent. */
  readonly detail?: string
  /** The code in the parent's error answer, in the specification's word or its own. */
  readonly parentCode?: string
  /** How long the parent, or the breaker, asks us to wait. */
  readonly retryAfterMs?: number
  readonly cause?: unknown
}

/** The other side's failure. Compare `code`; `retryable` says that the same request may succeed later by itself. */
export class ParentError extends Error {
  override readonly name = 'ParentError'
  readonly code: ParentErrorCode
  readonly operation: string
  /** What the parent did, without where: `could not be reached: ECONNREFUSED`. */
  readonly what: string
  readonly host: string
  readonly retryable: boolean
  readonly status: number | undefined
  readonly parentCode: string | undefined
  readonly retryAfterMs: number | undefined

  constructor(code: ParentErrorCode, details: ParentErrorDetails) {
    super(messageOf(code, details), details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.operation = details.operation
    this.what = whatOf(code, details)
    this.host = details.url.host
    this.retryable = failures[code].retryable
    this.status = details.status
    this.parentCode = details.parentCode
    this.retryAfterMs = details.retryAfterMs
  }
}

const pathLimit = 300

function messageOf(code: ParentErrorCode, details: ParentErrorDetails): string {
  const { operation, url } = details
  return `${operation}: ${url.host}${url.pathname.slice(0, pathLimit)} ${whatOf(code, details)}`
}

function whatOf(code: ParentErrorCode, { status, detail, parentCode }: ParentErrorDetails): string {
  const facts = [status, parentCode].filter((fact) => fact !== undefined)
  const suffix = facts.length > 0 ? ` (${facts.join(' ')})` : ''
  return `${detail ? `${failures[code].text}: ${detail}` : failures[code].text}${suffix}`
}
