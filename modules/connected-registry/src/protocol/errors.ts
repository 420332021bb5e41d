/**
 * The failures a client can be told of: code -> HTTP status and default message.
 * Codes of distribution-spec, "Error Codes", and those of ACR (`DENIED` texts are ACR's own). A full disk is 507, not `DENIED`:
 * it passes, so that who pushes may try again, and a registry below must not take it for a refusal of this very content.
 */
export const registryErrors = {
  ALREADY_ACTIVATED: { status: 409, message: 'The connected registry is already activated by another instance.' },
  BLOB_UPLOAD_INVALID: { status: 400, message: 'blob upload invalid' },
  BLOB_UPLOAD_UNKNOWN: { status: 404, message: 'blob upload unknown to registry' },
  BLOB_UNKNOWN: { status: 404, message: 'blob unknown to registry' },
  DEACTIVATED: {
    status: 409,
    message: 'The connected registry was deactivated here, so that another instance takes over.'
  },
  DENIED: { status: 403, message: 'Insufficient scopes to perform the operation' },
  DIGEST_INVALID: { status: 400, message: 'provided digest did not match uploaded content' },
  GATEWAY_INVALID: { status: 400, message: 'invalid gateway request' },
  INTERNAL: { status: 500, message: 'the registry could not complete the request' },
  MANIFEST_BLOB_UNKNOWN: { status: 404, message: 'manifest references a manifest or blob unknown to registry' },
  MANIFEST_INVALID: { status: 400, message: 'manifest invalid' },
  MANIFEST_UNKNOWN: { status: 404, message: 'manifest unknown' },
  MESSAGES_EXPIRED: { status: 410, message: 'the messages after this cursor are gone: compare everything' },
  NAME_INVALID: { status: 400, message: 'invalid repository name' },
  NAME_UNKNOWN: { status: 404, message: 'repository name not known to registry' },
  NOT_ACTIVATED: { status: 409, message: 'The connected registry is not activated by this instance.' },
  PAGINATION_NUMBER_INVALID: { status: 400, message: 'invalid number of results requested' },
  RANGE_INVALID: { status: 416, message: 'invalid content range' },
  SIZE_INVALID: { status: 400, message: 'provided length did not match content length' },
  STORAGE_FULL: { status: 507, message: 'the registry has no room left for this' },
  TAG_INVALID: { status: 400, message: 'manifest tag did not match the grammar' },
  TAG_UNKNOWN: { status: 404, message: 'the specified tag does not exist' },
  TOO_LARGE: { status: 413, message: 'the content is larger than this registry takes' },
  TOOMANYREQUESTS: { status: 429, message: 'too many requests' },
  UNAUTHORIZED: { status: 401, message: 'authentication required' },
  UNAVAILABLE: { status: 503, message: 'the registry cannot serve now' },
  UNSUPPORTED: { status: 405, message: 'the operation is unsupported' }
} as const

export type ErrorCode = keyof typeof registryErrors

/** The client's mistake, or our refusal, in the specification's word. Becomes a response in `http/errors.ts` only. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly code: ErrorCode
  readonly detail: unknown

  constructor(code: ErrorCode, detail?: unknown, message: string = registryErrors[code].message) {
    super(message)
    this.code = code
    this.detail = detail
  }

  get status(): number {
    return registryErrors[this.code].status
  }

  /** Of the answer, before it is JSON (distribution-spec, "Error Codes"). */
  get body(): Readonly<Record<string, unknown>> {
    const { code, message, detail } = this
    return { errors: [{ code, message, ...(detail === undefined ? {} : { detail }) }] }
  }
}
