import type { Entry } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { randomBytes } from '../../fixtures/random-bytes.ts'

/** Two records that only make sense together. Every fifth pair is as large as a manifest may well be. */
export function pairOf(number: number): { readonly left: Entry; readonly right: Entry } {
  const id = String(number).padStart(8, '0')
  return {
    left: [`left:${id}`, { number, right: `right:${id}` }],
    right: [`right:${id}`, randomBytes(id, number % 5 === 0 ? 50_000 : 50)]
  }
}
