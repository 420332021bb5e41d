import { AddressRefusedError } from './address-guard.ts'
import { ParentError, type ParentErrorCode } from './parent-error.ts'

interface Exchange {
  readonly operation: string
  readonly url: URL
  /** The caller gave up: its own reason is passed on as it is. */
  readonly signal: AbortSignal
  /** The answer took longer than we give it. */
  readonly deadline?: AbortSignal
}

/** What a failed exchange means. Whatever did not come from the network, such as a bug of ours, is passed on as it is. */
export function networkError(cause: unknown, code: ParentErrorCode, exchange: Exchange): unknown {
  const { operation, url, signal, deadline } = exchange
  if (signal.aborted) return signal.reason
  if (deadline?.aborted) return new ParentError('TIMEOUT', { operation, url, cause })
  if (cause instanceof AddressRefusedError) {
    return new ParentError(cause.code, { operation, url, detail: cause.message, cause })
  }
  const reason = reasonOf(cause)
  if (reason === undefined || reason === 'UND_ERR_INVALID_ARG') return cause
  const detail = withoutTls.includes(reason) ? `no TLS (${reason}); is ParentEndpointProtocol right?` : reason
  return new ParentError(meaning(reason) ?? code, { operation, url, detail, cause })
}

function reasonOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error) || !('code' in cause) || typeof cause.code !== 'string') return undefined
  return cause.code
}

const timeouts = ['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT']
const malformed = /^(?:HPE_.*|UND_ERR_HEADERS_OVERFLOW|UND_ERR_RES_EXCEEDED_MAX_SIZE)$/
// What came in place of a handshake, such as an answer in plain HTTP: it says nothing of any certificate.
const withoutTls = ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG', 'ERR_SSL_HTTP_REQUEST']
// Names of OpenSSL's verification results (openssl-verify, "Diagnostics") and Node's own.
const untrusted = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|^ERR_TLS_|^ERR_SSL_/

function meaning(reason: string): ParentErrorCode | undefined {
  if (timeouts.includes(reason)) return 'TIMEOUT'
  if (malformed.test(reason) || withoutTls.includes(reason)) return 'BAD_ANSWER'
  return untrusted.test(reason) ? 'UNTRUSTED' : undefined
}
