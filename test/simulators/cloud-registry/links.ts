import { createHmac, randomBytes } from 'node:crypto'
import type { Now } from './clock.ts'
import { type Answer, type Call, empty } from './exchange.ts'
import { contentAnswer } from './ranges.ts'

/** Signed links into the data endpoint, as Azure Storage gives them. */
export interface Links {
  /** A link to a blob that lives as long as configured. */
  to(digest: string): string
  /** The same link, signed again with a life that is over. */
  expire(link: string): string
  /** The data endpoint: a blob to whoever brings a link that is alive, and no other credential. */
  answer(call: Call): Answer
}

export interface LinksOptions {
  /** `https://<data endpoint>` */
  readonly url: () => string
  readonly lifeSeconds: number
  readonly now: Now
  readonly content: (digest: string) => Uint8Array | undefined
}

const pathPattern = /^\/blobs\/([a-z0-9]+)\/([a-f0-9]+)\/data$/

export function createLinks({ url, lifeSeconds, now, content }: LinksOptions): Links {
  const key = randomBytes(32)
  const sign = (path: string, expiry: string) =>
    createHmac('sha256', key).update(`${path}\n${expiry}`).digest('base64url')
  const signed = (path: string, expiresAt: number) => {
    const se = new Date(expiresAt).toISOString()
    return `${url()}${path}?${new URLSearchParams({ se, sp: 'r', sig: sign(path, se) })}`
  }
  const isAlive = ({ pathname, searchParams }: URL) => {
    const se = searchParams.get('se') ?? ''
    return searchParams.get('sig') === sign(pathname, se) && Date.parse(se) > now()
  }

  return {
    to: (digest) => signed(`/blobs/${digest.replace(':', '/')}/data`, now() + lifeSeconds * 1000),
    expire: (link) => signed(new URL(link).pathname, now() - 1000),
    answer(call) {
      if (call.headers.authorization) return storageError(400, 'InvalidAuthenticationInfo')
      if (!isAlive(call.url)) return storageError(403, 'AuthenticationFailed')
      const [, algorithm, hex] = pathPattern.exec(call.url.pathname) ?? []
      const bytes = content(`${algorithm}:${hex}`)
      if (!bytes) return storageError(404, 'BlobNotFound')
      return contentAnswer(bytes, call.headers.range, {
        'content-type': 'application/octet-stream',
        'x-ms-blob-type': 'BlockBlob'
      })
    }
  }
}

function storageError(status: number, code: string): Answer {
  const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code></Error>`
  return { ...empty(status, { 'content-type': 'application/xml', 'x-ms-error-code': code }), body: Buffer.from(body) }
}
