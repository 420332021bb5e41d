/** The fields of a form, `application/x-www-form-urlencoded`. */
export interface Form {
  /** Undefined: not there, empty, or there more than once, which RFC 6749 (section 3.2) does not allow. */
  one(name: string): string | undefined
  all(name: string): readonly string[]
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Undefined: the bytes are not UTF-8. Never throws. */
export function parseForm(bytes: Uint8Array): Form | undefined {
  let fields: URLSearchParams
  try {
    fields = new URLSearchParams(utf8.decode(bytes))
  } catch {
    // TextDecoder throws for nothing but malformed bytes.
    return undefined
  }
  return {
    one(name) {
      const [value, ...more] = fields.getAll(name)
      return more.length > 0 || value === '' ? undefined : value
    },
    all: (name) => fields.getAll(name)
  }
}
