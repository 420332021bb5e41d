/** Pages of lists that came with an ETag, so that an unchanged one costs no bytes (RFC 9110, section 13.1.2). */
export interface KeptPages {
  /** By what was asked for and its URL. */
  get(key: string): KeptPage | undefined
  /** Not kept where it is too large to be worth it. */
  keep(key: string, page: KeptPage): void
}

export interface KeptPage {
  readonly etag: string
  /** Of its content, about. */
  readonly bytes: number
  readonly content: unknown
  readonly next: URL | undefined
}

const limits = { pageBytes: 256 * 1024, bytes: 4 * 1024 * 1024 }

export function createKeptPages(): KeptPages {
  const pages = new Map<string, KeptPage>()
  let bytes = 0

  function drop(key: string): void {
    bytes -= pages.get(key)?.bytes ?? 0
    pages.delete(key)
  }

  return {
    get: (key) => pages.get(key),
    keep(key, page) {
      drop(key)
      if (page.bytes > limits.pageBytes) return
      pages.set(key, page)
      bytes += page.bytes
      for (const oldest of pages.keys()) {
        if (bytes <= limits.bytes) return
        drop(oldest)
      }
    }
  }
}
