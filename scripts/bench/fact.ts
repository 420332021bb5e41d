/** What is measured once and stands for itself: a row of the second table. */
export interface Fact {
  readonly work: string
  readonly unit: string
  /** By contender. */
  readonly values: Readonly<Record<string, number>>
  /** What this registry's value must not exceed. */
  readonly limit?: number
}
