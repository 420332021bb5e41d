import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { metricsFormat } from '../../../modules/connected-registry/src/http/metrics-format.ts'

const prometheus2 =
  'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1'
const prometheus3 =
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1'

for (const [accept, format] of [
  [undefined, 'text'],
  ['*/*', 'text'],
  ['application/json', 'text'],
  ['text/plain', 'text'],
  [prometheus2, 'openmetrics'],
  [prometheus3, 'openmetrics'],
  ['application/openmetrics-text', 'openmetrics'],
  ['Application/OpenMetrics-Text; Version=1.0.0', 'openmetrics'],
  ['application/openmetrics-text;version=0.0.1', 'text'],
  ['application/openmetrics-text;q=0', 'text'],
  ['application/openmetrics-text;q=0.3,text/plain;q=0.5', 'text'],
  ['application/openmetrics-text;q=0.3,*/*', 'text'],
  ['application/openmetrics-text;q=1.5,text/plain;q=0.1', 'text']
] as const) {
  test(`Accept: ${accept} gets ${format}`, () => {
    assert.equal(metricsFormat(accept), format)
  })
}

test('any Accept header gets one of the two', () => {
  const part = fc.constantFrom(
    'application/openmetrics-text',
    'text/plain',
    '*/*',
    ';',
    ',',
    'q=',
    'version=',
    '1.0.0',
    '0.',
    ' ',
    '"'
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(part).map((parts) => parts.join(''))
      ),
      (accept) => {
        assert.match(metricsFormat(accept), /^(?:text|openmetrics)$/)
        if (!/openmetrics-text/i.test(accept)) assert.equal(metricsFormat(accept), 'text')
      }
    )
  )
})
