import { randomUUID } from 'node:crypto'
import { algorithmOf, digestOf, parseDigest } from '../../../modules/connected-registry/src/protocol/digest.ts'
import type { Contents } from './contents.ts'
import { type Answer, type Call, empty, Refusal } from './exchange.ts'

interface Upload {
  readonly repository: string
  bytes: Buffer
}

export interface UploadOptions {
  readonly contents: Contents
  /** Whether the client may read the repository it wants to mount from. */
  readonly mayRead: (call: Call, repository: string) => boolean
}

/** `/v2/<name>/blobs/uploads/` (distribution-spec, "Pushing blobs"): whole, in chunks, or mounted. */
export function uploadHandlers({ contents, mayRead }: UploadOptions) {
  const uploads = new Map<string, Upload>()

  const found = ({ repository, reference }: Call) => {
    const upload = uploads.get(reference)
    if (upload?.repository === repository) return upload
    throw new Refusal(404, 'BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry')
  }
  const state = (status: number, id: string, { repository, bytes }: Upload) =>
    empty(status, {
      // ACR's links carry a query that must come back.
      location: `/v2/${repository}/blobs/uploads/${id}?_nouploadcache=false&_state=${id}`,
      range: `0-${Math.max(0, bytes.length - 1)}`,
      'docker-upload-uuid': id
    })
  const finish = (repository: string, bytes: Buffer, wanted: string | null) => {
    const digest = parseDigest(wanted ?? '')
    if (!digest || digestOf(bytes, algorithmOf(digest)) !== digest) {
      throw new Refusal(400, 'DIGEST_INVALID', 'provided digest did not match uploaded content', {
        detail: { digest: wanted }
      })
    }
    contents.putBlob(repository, bytes, digest)
    return created(repository, digest)
  }
  const mounted = (call: Call) => {
    const digest = parseDigest(call.url.searchParams.get('mount') ?? '')
    const from = call.url.searchParams.get('from') ?? ''
    return digest && mayRead(call, from) && contents.mountBlob(call.repository, from, digest) ? digest : undefined
  }

  return {
    async begin(call: Call): Promise<Answer> {
      const body = await call.body()
      const digest = mounted(call)
      if (digest) return created(call.repository, digest)
      const wanted = call.url.searchParams.get('digest')
      if (wanted) return finish(call.repository, body, wanted)
      const id = randomUUID()
      const upload = { repository: call.repository, bytes: Buffer.alloc(0) }
      uploads.set(id, upload)
      return state(202, id, upload)
    },
    async append(call: Call): Promise<Answer> {
      const upload = found(call)
      const chunk = await call.body()
      if (!follows(call.headers['content-range'], upload.bytes.length, chunk.length))
        return state(416, call.reference, upload)
      upload.bytes = Buffer.concat([upload.bytes, chunk])
      return state(202, call.reference, upload)
    },
    async complete(call: Call): Promise<Answer> {
      const { repository, bytes } = found(call)
      const whole = Buffer.concat([bytes, await call.body()])
      uploads.delete(call.reference)
      return finish(repository, whole, call.url.searchParams.get('digest'))
    },
    status: (call: Call): Answer => state(204, call.reference, found(call)),
    cancel(call: Call): Answer {
      found(call)
      uploads.delete(call.reference)
      return empty(204)
    },
    reset: () => uploads.clear()
  }
}

function created(repository: string, digest: string): Answer {
  return empty(201, { location: `/v2/${repository}/blobs/${digest}`, 'docker-content-digest': digest })
}

/** distribution-spec, "Pushing a blob in chunks": an out-of-order chunk answers 416. No Content-Range: what follows. */
function follows(contentRange: string | undefined, size: number, length: number): boolean {
  if (contentRange === undefined) return true
  const [, first, last] = /^(?:bytes )?(\d+)-(\d+)(?:\/.*)?$/.exec(contentRange) ?? []
  return Number(first) === size && Number(last) === size + length - 1
}
