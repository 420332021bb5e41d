import type { IncomingMessage } from 'node:http'
import type { Digest } from '../protocol/digest.ts'

/** Content named by its digest never changes: the digest is the strongest validator there is (RFC 9110, section 8.8.3). */
export function etagOf(digest: Digest): string {
  return `"${digest}"`
}

/** True: the client has it, 304 will do (RFC 9110, section 13.1.2: weak comparison). */
export function isNotModified({ headers }: IncomingMessage, etag: string): boolean {
  const wanted = headers['if-none-match']
  if (wanted === undefined) return false
  return wanted.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag)
}

/** The Range header, unless If-Range says that the client has the beginning of something else (RFC 9110, section 13.1.5). */
export function rangeHeader({ headers }: IncomingMessage, etag: string): string | undefined {
  const condition = headers['if-range']
  return condition === undefined || condition === etag ? headers.range : undefined
}
