import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import {
  matchesNotification,
  type NotifiedArtifact,
  parseNotificationPattern
} from '../../../modules/connected-registry/src/protocol/notification-pattern.ts'
import { formatRepositoryPattern } from '../../../modules/connected-registry/src/protocol/repository-pattern.ts'

const digest = digestOf(Buffer.from('image'))
const artifacts: Readonly<Record<string, NotifiedArtifact>> = {
  pushedByTag: { repository: 'sample/app', tag: '1.0', digest, action: 'push' },
  pushedByDigest: { repository: 'sample/app', digest, action: 'push' },
  deleted: { repository: 'sample/app', digest, action: 'delete' },
  untagged: { repository: 'sample/app', tag: '1.0', action: 'delete' },
  elsewhere: { repository: 'hello-world', tag: '1.0', digest, action: 'push' }
}
const here = ['pushedByTag', 'pushedByDigest', 'deleted', 'untagged']

// ACR, "Notification pattern grammar", with the examples of its documentation.
const examples: readonly (readonly [pattern: string, chosen: readonly string[]])[] = [
  ['*:*', [...here, 'elsewhere']],
  ['*:*:*', ['pushedByTag', 'untagged', 'elsewhere']],
  ['*@*:*', ['pushedByTag', 'pushedByDigest', 'deleted', 'elsewhere']],
  ['sample/app:*', here],
  ['sample/app:1.0:*', ['pushedByTag', 'untagged']],
  ['sample/app:2.0:*', []],
  [`sample/app@${digest}:delete`, ['deleted']],
  [`sample/app:1.0@${digest}:push`, ['pushedByTag']],
  ['sample/*:push', ['pushedByTag', 'pushedByDigest']],
  ['sample/*:1.0:*', ['pushedByTag', 'untagged']],
  ['sample/*:delete', ['deleted', 'untagged']],
  ['hello-world:*:push', ['elsewhere']]
]

for (const [text, chosen] of examples)
  test(`${text} chooses ${chosen.join(', ') || 'nothing'}`, () => {
    const pattern = parseNotificationPattern(text)

    assert.ok(!('problem' in pattern))
    const matching = Object.keys(artifacts).filter((name) => matchesNotification(pattern, artifacts[name]!))
    assert.deepEqual(matching, chosen)
  })

const wrong: readonly (readonly [text: string, problem: RegExp])[] = [
  ['', /action/],
  ['hello-world', /action/],
  ['hello-world:1.0', /action/],
  ['hello-world:Push', /action/],
  ['hello-world:*:pull', /action/],
  [':push', /name/],
  ['Hello:push', /name/],
  ['sample/a*:push', /name/],
  ['hello-world::push', /tag/],
  ['hello-world:1.*:push', /tag/],
  ['hello-world:1:2:push', /tag/],
  ['hello-world@:push', /digest/],
  ['hello-world@sha256:12:push', /digest/],
  [`hello-world@${digest}@${digest}:push`, /digest/],
  [`hello-world@${digest}:1.0:push`, /digest/]
]

for (const [text, problem] of wrong)
  test(`${JSON.stringify(text)} is no pattern, and it is told which part is wrong`, () => {
    const read = parseNotificationPattern(text)

    assert.ok('problem' in read)
    assert.match(read.problem, problem)
  })

test('what is put together of right parts is read as these parts', () => {
  const star = fc.constant('*')
  const name = fc.constantFrom('a', 'sample/app', 'sample/*', 'a-b_c.d/*', '*')
  const tag = fc.oneof(star, fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/))
  const digests = fc.oneof(
    star,
    fc.uint8Array().map((bytes) => digestOf(bytes)),
    fc.uint8Array().map((bytes) => digestOf(bytes, 'sha512'))
  )
  const optional = <T>(part: fc.Arbitrary<T>) => fc.option(part, { nil: undefined })
  const action = fc.constantFrom('push', 'delete', '*')

  fc.assert(
    fc.property(name, optional(tag), optional(digests), action, (name, tag, digest, action) => {
      const text = `${name}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}:${action}`

      const read = parseNotificationPattern(text)

      assert.ok(!('problem' in read), text)
      const { repository, ...rest } = read
      assert.equal(formatRepositoryPattern(repository), name)
      assert.deepEqual({ tag: undefined, digest: undefined, ...rest }, { text, tag, digest, action })
    })
  )
})

test('any text is either refused or read as what it says', () => {
  const pieces = fc.constantFrom(':', '@', '*', '/', 'a', 'A', '1.0', 'push', 'delete', digest, ' ', '\n', '..')
  const text = fc.oneof(
    fc.string(),
    fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join(''))
  )

  fc.assert(
    fc.property(text, (text) => {
      const read = parseNotificationPattern(text)
      if ('problem' in read) return
      const tag = read.tag === undefined ? '' : `:${read.tag}`
      const at = read.digest === undefined ? '' : `@${read.digest}`
      assert.equal(`${formatRepositoryPattern(read.repository)}${tag}${at}:${read.action}`, text)
    }),
    { numRuns: 500 }
  )
})
