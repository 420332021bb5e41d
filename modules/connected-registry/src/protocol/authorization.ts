/** What an `Authorization` header shows (RFC 6750, section 2.1; RFC 7617). */
export type Authorization =
  | { readonly kind: 'bearer'; readonly accessToken: string }
  | { readonly kind: 'basic'; readonly name: string; readonly password: string }

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Undefined: there is none, of another scheme, or not well formed. Never throws. */
export function parseAuthorization(header: string | undefined): Authorization | undefined {
  const space = header?.indexOf(' ') ?? -1
  if (header === undefined || space < 0) return undefined
  const scheme = header.slice(0, space).toLowerCase()
  const value = header.slice(space + 1).trim()
  if (scheme === 'bearer') return { kind: 'bearer', accessToken: value }
  return scheme === 'basic' ? parseBasic(value) : undefined
}

// A name holds no colon, a password may. What is not UTF-8 belongs to nobody.
function parseBasic(value: string): Authorization | undefined {
  const text = decode(Buffer.from(value, 'base64'))
  const colon = text?.indexOf(':') ?? -1
  if (text === undefined || colon < 1) return undefined
  return { kind: 'basic', name: text.slice(0, colon), password: text.slice(colon + 1) }
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    // TextDecoder throws for nothing but malformed bytes.
    return undefined
  }
}
