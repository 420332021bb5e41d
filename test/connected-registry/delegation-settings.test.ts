import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatTokenNamePattern } from '../../modules/connected-registry/src/access/token-names.ts'
import { mergeSettings, parseSettings } from '../../modules/connected-registry/src/settings.ts'
import { aToken, environment } from './some-settings.ts'

const read = (document: unknown) => parseSettings(document, environment)

test('names that the parent may prove stand beside the tokens that are configured', () => {
  const clientTokens = [aToken, { name: 'site-reader', delegate: true }, { name: 'line-*', delegate: true }]

  const result = read({ clientTokens, delegation: { keptFor: 'P2D' } })

  assert.equal(result.kind, 'settings')
  const settings = mergeSettings([result.kind === 'settings' ? result.settings : {}])
  assert.deepEqual(
    settings.clientTokens.map(({ name }) => name),
    [aToken.name]
  )
  assert.deepEqual(settings.delegatedNames.map(formatTokenNamePattern), ['site-reader', 'line-*'])
  assert.equal(settings.delegatedForMs, 2 * 24 * 3_600_000)
})

test('without a word nobody is proved by the parent, and a proof counts for a week', () => {
  const settings = mergeSettings([])

  assert.deepEqual(settings.delegatedNames, [])
  assert.equal(settings.delegatedForMs, 7 * 24 * 3_600_000)
})

test('a later list of tokens replaces an earlier one, the delegated names included', () => {
  const [first, second] = [read({ clientTokens: [{ name: 'site-*', delegate: true }] }), read({ clientTokens: [] })]
  const layers = [first, second].map((result) => (result.kind === 'settings' ? result.settings : {}))

  assert.deepEqual(mergeSettings(layers).delegatedNames, [])
})

const wrong: readonly (readonly [document: object, problem: string])[] = [
  [
    { clientTokens: [{ name: 's*te', delegate: true }] },
    'clientTokens.0.name: is neither a token name nor the beginning'
  ],
  [{ clientTokens: [{ name: 'site', delegate: 'yes' }] }, 'clientTokens.0.delegate: '],
  [{ clientTokens: [{ name: 'site', delegate: true, passwords: [] }] }, 'clientTokens.0.passwords: unknown setting'],
  [{ clientTokens: [{ name: 'site-*' }] }, 'clientTokens.0.name: is not a token name: 2 to 128 letters, digits,'],
  [
    { clientTokens: [aToken, { name: aToken.name.toUpperCase(), delegate: true }] },
    'clientTokens: 0 and 1 have the same name'
  ],
  [{ delegation: { keptFor: 'PT5M' } }, 'delegation.keptFor: is no ISO 8601 duration from PT1H to P365D'],
  [{ delegation: { keptFor: 'P2Y' } }, 'delegation.keptFor: is no ISO 8601 duration'],
  [{ delegation: { kept: 'P2D' } }, 'delegation.kept: unknown setting']
]

for (const [document, problem] of wrong) {
  test(`${JSON.stringify(document).slice(0, 80)} is refused by name`, () => {
    const result = read(document)

    const problems = result.kind === 'refused' ? result.problems : []
    assert.ok(
      problems.some((text) => text.startsWith(problem)),
      problems.join(' | ')
    )
  })
}
