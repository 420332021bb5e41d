import { RegistryError } from './errors.ts'

/**
 * What a token endpoint answers by POST: OAuth2's code -> status, and the registry's own code beside it for clients that look
 * for that one (RFC 6749, section 5.2). A wrong password is 401, as by GET: containerd then tries GET, skopeo says what it is.
 */
const grantErrors = {
  invalid_request: { status: 400, code: 'UNSUPPORTED' },
  invalid_scope: { status: 400, code: 'UNSUPPORTED' },
  invalid_grant: { status: 401, code: 'UNAUTHORIZED' },
  unsupported_grant_type: { status: 400, code: 'UNSUPPORTED' }
} as const
export type GrantErrorCode = keyof typeof grantErrors

export class GrantError extends RegistryError {
  readonly error: GrantErrorCode

  constructor(error: GrantErrorCode, description: string) {
    super(grantErrors[error].code, undefined, description)
    this.error = error
  }

  override get status(): number {
    return grantErrors[this.error].status
  }

  override get body(): Readonly<Record<string, unknown>> {
    return { error: this.error, error_description: this.message, ...super.body }
  }
}
