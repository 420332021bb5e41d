import { randomBytes } from '../../fixtures/random-bytes.ts'

/** Small ones, and every fourth one of more than two write blocks. */
export function numberedBlob(number: number): Uint8Array {
  return randomBytes(`blob ${number}`, number % 4 === 0 ? 2_300_000 + number : 1000 + number)
}
