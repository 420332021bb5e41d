import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { expandVariables } from '../../../scripts/deployment/variables.ts'

test('a value is taken as it is, whatever it holds', () => {
  fc.assert(
    fc.property(fc.string(), (value) => {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what a template holds.
      assert.deepEqual(expandVariables('a-$NAME-${NAME}-b', { NAME: value }), {
        text: `a-${value}-${value}-b`,
        unset: []
      })
    })
  )
})

test('what the runtime gives a meaning stays, and is not missing', () => {
  const text = 'FROM /messages/* INTO $upstream; $IOTEDGE_PARENTHOSTNAME:8000; $edgeHub'

  assert.deepEqual(expandVariables(text, { upstream: 'no' }), { text, unset: [] })
})

test('a variable without a value stays and is named, also where an object would have it', () => {
  assert.deepEqual(expandVariables('$ONE $constructor', {}), {
    text: '$ONE $constructor',
    unset: ['ONE', 'constructor']
  })
})
