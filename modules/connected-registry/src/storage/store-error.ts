/**
 * The store itself cannot do its work: not a client's mistake. `code` is the system's (`EACCES`, `EROFS`, `ENOSPC`...) or one
 * of `STORE_IN_USE`, `STORE_CORRUPT`, `STORE_NEWER`, `STORE_CLOSED`, `STORE_FAILED`.
 */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly reason: string
  readonly code: string
  readonly path: string

  constructor(reason: string, { code, path, cause }: { code: string; path: string; cause?: unknown }) {
    super(`${reason}: ${path}`, { cause })
    this.reason = reason
    this.code = code
    this.path = path
  }
}

/**
 * The disk did not take what was written. The system may forget that after it has said it once, so that another sync would succeed
 * and mean nothing: what was written is not to be used any more.
 */
export class SyncError extends StoreError {
  constructor(path: string, cause: unknown) {
    super('the disk did not take what was written', { code: codeOf(cause) ?? 'EIO', path, cause })
  }
}

/** The system's error code, such as `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
