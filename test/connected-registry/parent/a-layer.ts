import type { Descriptor } from '../../../modules/connected-registry/src/protocol/descriptor.ts'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import type { Script } from './scripted-server.ts'

export const content = Buffer.from('the bytes of a layer, in order')
export const layer: Descriptor = {
  mediaType: 'application/octet-stream',
  digest: digestOf(content),
  size: content.length
}

export function bytes(body: Uint8Array, headers: Readonly<Record<string, string | number>> = {}, status = 200): Script {
  return (_, response) => response.writeHead(status, headers).end(body)
}

export const whole = bytes(content, { 'content-length': content.length })

export const ranged: Script = (request, response) => {
  const first = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1])
  const headers = { 'content-range': `bytes ${first}-${content.length - 1}/${content.length}` }
  bytes(content.subarray(first), headers, 206)(request, response)
}
