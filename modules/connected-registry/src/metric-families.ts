import type { Labels, Sample, SimpleFamily } from './http/exposition.ts'

const prefix = 'connected_registry_'

/** Undefined: not known, and not told. */
type Value = number | undefined

/** One value, or one for each of some labels. */
type Values = Value | readonly (readonly [labels: Labels, value: Value])[]

export function gauge(name: string, help: string, values: Values): SimpleFamily {
  return { type: 'gauge', name: prefix + name, help, samples: samplesOf(values) }
}

/** Its name ends with `_total`. */
export function counter(name: `${string}_total`, help: string, values: Values): SimpleFamily {
  return { type: 'counter', name: prefix + name, help, samples: samplesOf(values) }
}

/** Seconds since 1970; undefined: never. */
export function timestamp(at: string | Date | undefined): number | undefined {
  return at === undefined ? undefined : new Date(at).getTime() / 1000
}

/** 1 for the word that is true, 0 for the others: so is each of them a series that never goes. */
export function oneOf<Word extends string>(label: string, words: readonly Word[], current: Word) {
  return words.map((word) => [{ [label]: word }, word === current ? 1 : 0] as const)
}

function samplesOf(values: Values): readonly Sample[] {
  const all = typeof values === 'object' ? values : [[undefined, values] as const]
  return all.flatMap(([labels, value]) => (value === undefined ? [] : [{ ...(labels && { labels }), value }]))
}
