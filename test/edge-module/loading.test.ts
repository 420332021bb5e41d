import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { nodeFlags } from '../../modules/edge-module/src/env.ts'
import { load } from '../../modules/edge-module/src/loading.ts'

setFlagsFromString('--allow-natives-syntax')
const isOptimizing = new Function('return %IsMaglevEnabled() || %IsTurbofanEnabled()') as () => boolean
const isOptimizingFully = new Function('return %IsMaglevEnabled() && %IsTurbofanEnabled()') as () => boolean

test('a module is loaded without optimizing compilers, and runs with them', async () => {
  const during = await load(async () => isOptimizing())

  assert.equal(during, false)
  assert.equal(isOptimizingFully(), true)
})

test('so it does where it could not be loaded', async () => {
  await assert.rejects(
    load(() => Promise.reject(new Error('no such file'))),
    /no such file/
  )

  assert.equal(isOptimizingFully(), true)
})

const choices: Readonly<Record<string, readonly boolean[]>> = {
  '--no-maglev': [false, true],
  '--disable-optimizing-compilers': [false, false]
}
for (const [choice, compilers] of Object.entries(choices)) {
  test(`a compiler that Node was started without stays off, and no other is: ${choice}`, async () => {
    const program = `
      const { load } = await import(${JSON.stringify(import.meta.resolve('../../modules/edge-module/src/loading.ts'))})
      const state = () => [%IsMaglevEnabled(), %IsTurbofanEnabled()]
      console.log(JSON.stringify([await load(async () => state()), state()]))`
    const flags = ['--allow-natives-syntax', '--input-type=module', '--eval', program]

    const given = await promisify(execFile)(process.execPath, [choice, ...flags])

    assert.deepEqual(JSON.parse(given.stdout), [compilers, compilers])
    assert.equal(given.stderr, '')
  })
}

test('what Node was told is read from its command line and from NODE_OPTIONS', () => {
  assert.equal(nodeFlags({ NODE_OPTIONS: '--jitless' }), [...process.execArgv, '--jitless'].join(' '))
})
