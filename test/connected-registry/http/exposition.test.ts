import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { formatMetrics, type MetricFamily } from '../../../modules/connected-registry/src/http/exposition.ts'
import { parseExposition } from '../../fixtures/exposition.ts'

const formats = ['text', 'openmetrics'] as const
const word = fc.stringMatching(/^[a-z][a-z_]{0,8}[a-z]$/)
const value = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true })
const labels = fc.uniqueArray(fc.string({ unit: 'binary', maxLength: 9 }), { minLength: 1, maxLength: 4 })
const simple = fc.record({
  type: fc.constantFrom('counter' as const, 'gauge' as const),
  name: word,
  labels,
  values: fc.array(value, { minLength: 4, maxLength: 4 })
})
const counts = fc.array(fc.nat(), { minLength: 4, maxLength: 4 })
const histogram = fc.record({ type: fc.constant('histogram' as const), name: word, labels, counts })

test('whatever the values and the texts of labels are, both formats say them, and nothing else', async () => {
  const family = fc.oneof(simple, histogram)
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(family, { minLength: 1, maxLength: 5, selector: ({ name }) => name }),
      async (given) => {
        const families = given.map(familyOf)
        for (const format of formats) {
          const { text } = await formatMetrics(families, format)

          const parsed = parseExposition(text, format)

          const told = families.filter(({ samples }) => samples.length > 0)
          const nameOf = ({ type, name }: MetricFamily) =>
            type === 'counter' && format === 'openmetrics' ? name.replace(/_total$/, '') : name
          assert.deepEqual(Array.from(parsed.keys()).toSorted(), told.map(nameOf).toSorted())
          for (const one of told) {
            if (one.type === 'histogram') continue
            const { samples } = parsed.get(nameOf(one))!
            assert.deepEqual(
              Array.from(samples.values()),
              one.samples.map((sample) => sample.value)
            )
          }
        }
      }
    )
  )
})

function familyOf(given: Drawn<typeof simple> | Drawn<typeof histogram>): MetricFamily {
  const name = given.type === 'counter' ? `${given.name}_total` : `${given.name}s`
  const help = `what ${given.name} is`
  if ('counts' in given) {
    let sum = 0
    const rising = given.counts.map((count) => (sum += count))
    const samples = given.labels.map((text) => ({ labels: { of: text }, sum, counts: rising, bounds: [0.5, 1, 2.5] }))
    return { type: 'histogram', name, help, samples }
  }
  const samples = given.labels.map((text, at) => ({ labels: { of: text }, value: given.values[at]! }))
  return { type: given.type, name, help, samples }
}

type Drawn<A> = A extends fc.Arbitrary<infer Value> ? Value : never

test('a counter that was told as OpenMetrics keeps its name in the text format', async () => {
  const family: MetricFamily = { type: 'counter', name: 'pushes_total', help: 'Pushes.', samples: [{ value: 3 }] }

  const open = await formatMetrics([family], 'openmetrics')
  const text = await formatMetrics([family], 'text')

  assert.equal(open.text, '# HELP pushes Pushes.\n# TYPE pushes counter\npushes_total 3\n# EOF\n')
  assert.equal(open.type, 'application/openmetrics-text; version=1.0.0; charset=utf-8')
  assert.equal(text.text, '# HELP pushes_total Pushes.\n# TYPE pushes_total counter\npushes_total 3\n')
  assert.equal(text.type, 'text/plain; version=0.0.4; charset=utf-8')
})
