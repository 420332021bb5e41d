import { parseDigest } from '../../../modules/connected-registry/src/protocol/digest.ts'
import type { Contents } from './contents.ts'
import { type Answer, type Call, empty, Refusal } from './exchange.ts'
import type { Links } from './links.ts'
import { contentAnswer } from './ranges.ts'

export interface BlobOptions {
  readonly contents: Contents
  readonly links: Links
  /** Whether GET leads to the data endpoint. HEAD is always answered here. */
  readonly redirect: boolean
}

/** `/v2/<name>/blobs/<digest>` */
export function blobHandlers({ contents, links, redirect }: BlobOptions) {
  const found = ({ repository, reference }: Call) => {
    const digest = parseDigest(reference)
    const bytes = digest && contents.blob(repository, digest)
    if (!bytes) throw new Refusal(404, 'BLOB_UNKNOWN', 'blob unknown to registry', { detail: { digest: reference } })
    return { digest, bytes }
  }
  return {
    get(call: Call): Answer {
      const { digest, bytes } = found(call)
      const headers = { 'docker-content-digest': digest }
      if (redirect && call.method === 'GET') return empty(307, { ...headers, location: links.to(digest) })
      return contentAnswer(bytes, call.headers.range, { ...headers, 'content-type': 'application/octet-stream' })
    },
    remove(call: Call): Answer {
      contents.deleteBlob(call.repository, found(call).digest)
      return empty(202)
    }
  }
}
