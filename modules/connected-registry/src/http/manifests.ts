import type { Context } from 'koa'
import type { Descriptor } from '../protocol/descriptor.ts'
import { RegistryError } from '../protocol/errors.ts'
import { parseReference, type Reference } from '../protocol/reference.ts'
import type { Manifests } from '../registry/registry.ts'
import { answer, apiVersion, type Headers } from './answer.ts'
import { etagOf, isNotModified } from './conditional.ts'
import type { Handler } from './handler.ts'

/** GET, HEAD /v2/<name>/manifests/<reference>: the bytes as they were pushed (distribution-spec, "Pulling manifests"). */
export function getManifest(manifests: Manifests): Handler {
  return async (ctx, { repository, reference: text }) => {
    const reference = referenceIn(text)
    if (ctx.method === 'HEAD') {
      const descriptor = await manifests.stat(repository, reference)
      if (!descriptor) throw new RegistryError('MANIFEST_UNKNOWN', { reference: text })
      return answerManifest(ctx, descriptor)
    }
    const manifest = await manifests.get(repository, reference)
    if (!manifest) throw new RegistryError('MANIFEST_UNKNOWN', { reference: text })
    answerManifest(ctx, manifest.descriptor, manifest.bytes)
  }
}

// What cannot be a tag is simply not there; a broken digest is the client's mistake.
export function referenceIn(text: string): Reference {
  const reference = parseReference(text)
  if (!reference) throw new RegistryError(text.includes(':') ? 'DIGEST_INVALID' : 'MANIFEST_UNKNOWN')
  return reference
}

function answerManifest(ctx: Context, descriptor: Descriptor, bytes?: Uint8Array): void {
  const etag = etagOf(descriptor.digest)
  const headers: Headers = { ...apiVersion, 'Docker-Content-Digest': descriptor.digest, ETag: etag }
  const content = { 'Content-Type': descriptor.mediaType, 'Content-Length': descriptor.size }
  if (isNotModified(ctx.req, etag)) answer(ctx, 304, headers)
  else answer(ctx, 200, { ...headers, ...content, 'X-Content-Type-Options': 'nosniff' }, bytes)
}
