import { createHmac, timingSafeEqual } from 'node:crypto'

export interface SasCheck {
  /** Base64. */
  readonly key: string
  /** What the token must be for: `<hub>/devices/<d>/modules/<m>`. */
  readonly resource: string
}

/** The token's expiry in milliseconds since the epoch, or why it is refused. (IoT Hub, "SAS token structure") */
export function verifySas(password: string, { key, resource }: SasCheck): { expiry: number } | { refused: string } {
  const [, text] = /^SharedAccessSignature (.+)$/.exec(password) ?? []
  if (text === undefined) return { refused: 'not a shared access signature' }
  const fields = new Map(text.split('&').map((field) => split(field)))
  const signed = `${fields.get('sr')}\n${fields.get('se')}`
  const expected = createHmac('sha256', Buffer.from(key, 'base64')).update(signed).digest()
  const actual = Buffer.from(decodeURIComponent(fields.get('sig') ?? ''), 'base64')
  if (actual.length !== expected.length || !timingSafeEqual(actual, expected)) return { refused: 'wrong signature' }
  if (decodeURIComponent(fields.get('sr') ?? '') !== resource) return { refused: 'of another resource' }
  const expiry = Number(fields.get('se')) * 1000
  return expiry > Date.now() ? { expiry } : { refused: 'expired' }
}

function split(field: string): [string, string] {
  const at = field.indexOf('=')
  return [field.slice(0, at), field.slice(at + 1)]
}
