// Imported by a module before its own sources: its clock shows what it showed `?ms=` milliseconds ago.
// A date of parts (year, month, ...) is not to be had from it.

const behindMs = Number(new URL(import.meta.url).searchParams.get('ms'))
const now = Date.now

globalThis.Date = class extends Date {
  constructor(given: number | string | Date = now() - behindMs) {
    super(given)
  }

  static override now(): number {
    return now() - behindMs
  }
} as DateConstructor
