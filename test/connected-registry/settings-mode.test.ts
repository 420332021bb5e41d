import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mergeSettings, parseSettings } from '../../modules/connected-registry/src/settings.ts'

for (const mode of ['ReadOnly', 'ReadWrite']) {
  test(`${mode} is a mode`, () => {
    const parsed = parseSettings({ mode }, {})

    assert.deepEqual(parsed, { kind: 'settings', settings: { mode } })
  })
}

test('nobody may push unless it was said', () => {
  assert.equal(mergeSettings([]).mode, 'ReadOnly')
})

test('another word is no mode, and both that are ones are named', () => {
  for (const mode of ['readwrite', 'Mirror', '']) {
    const problems = ['mode: is no mode; use ReadOnly or ReadWrite']
    assert.deepEqual(parseSettings({ mode }, {}), { kind: 'refused', problems })
  }
})
