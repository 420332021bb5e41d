import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Child, childProblems, modeProblem } from '../../../modules/connected-registry/src/children/child.ts'
import { parseRepositoryPattern } from '../../../modules/connected-registry/src/protocol/repository-pattern.ts'
import { aChild } from './some-children.ts'

const parent = { name: 'plant', mode: 'ReadOnly', repositories: [parseRepositoryPattern('app/*')!] } as const
const readWrite = { ...parent, mode: 'ReadWrite' } as const

function problemsOf(children: readonly Child[], above: Parameters<typeof childProblems>[1] = parent) {
  return [...childProblems(children, above)].map(([{ name }, problem]) => [name, problem])
}

test('a ReadWrite child of a ReadOnly registry is one, and what is amiss is told in the words of the original', () => {
  const writer = aChild({ mode: 'ReadWrite' })

  assert.deepEqual(problemsOf([writer]), [])
  assert.equal(
    modeProblem(writer, parent),
    "Can't create the registry 'site-a' with mode 'ReadWrite' when the connected registry parent 'plant' mode is 'ReadOnly'."
  )
  assert.equal(modeProblem(writer, readWrite), undefined)
  assert.equal(modeProblem(aChild(), parent), undefined)
})

test('the repositories of a child are among those of its parent', () => {
  const scopes: readonly (readonly [repository: string, isWithin: boolean])[] = [
    ['app/web', true],
    ['app/*', true],
    ['app/web/*', true],
    ['app', false],
    ['ap/*', false],
    ['application/*', false],
    ['*', false]
  ]
  for (const [repository, isWithin] of scopes) {
    const problems = problemsOf([aChild({ repositories: [repository] })])

    assert.deepEqual(
      problems,
      isWithin ? [] : [['site-a', `repository ${repository} is not among the repositories of this registry`]]
    )
  }
})

test('no two registries have the same name in any case, wherever below, and no loop can be built', () => {
  const twins = [aChild(), aChild({ name: 'SITE-A' }), aChild({ name: 'site-b', descendants: ['Site-a'] })]

  assert.deepEqual(
    problemsOf(twins).map(([name]) => name),
    ['SITE-A', 'site-b']
  )
  assert.deepEqual(problemsOf([aChild({ name: 'Plant' })]), [
    ['Plant', "the name 'plant' is taken by another connected registry"]
  ])
  assert.equal(problemsOf([aChild({ descendants: ['plant'] })]).length, 1)
  assert.equal(problemsOf([aChild({ descendants: ['lines', 'LINES'] })]).length, 1)
})
