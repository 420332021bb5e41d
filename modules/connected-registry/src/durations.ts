/** An ISO 8601 duration in milliseconds. Undefined: it is none, or one of months or years, which are not all of a length. */
export function readDuration(text: string): number | undefined {
  try {
    return Temporal.Duration.from(text).total('milliseconds')
  } catch {
    return undefined
  }
}

export function durationText(milliseconds: number): string {
  return Temporal.Duration.from({ milliseconds }).round({ largestUnit: 'days' }).toString()
}
