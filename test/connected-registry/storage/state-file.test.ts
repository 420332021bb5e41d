import assert from 'node:assert/strict'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { openStateFile } from '../../../modules/connected-registry/src/storage/state-file.ts'
import { temporaryFolder } from './temporary-folder.ts'

interface State {
  readonly name: string
  readonly count: number
}

const empty: State = { name: '', count: 0 }

function parse(content: unknown): State {
  if (typeof content !== 'object' || content === null) throw new Error(`not a state: ${JSON.stringify(content)}`)
  const { name, count } = content as Partial<State>
  if (typeof name !== 'string' || typeof count !== 'number') throw new Error(`not a state: ${JSON.stringify(content)}`)
  return { name, count }
}

const openState = (path: string) => openStateFile(path, { parse, empty })
const aPath = async () => join(await temporaryFolder(), 'data', 'state.json')

test('a first start has the empty state, no problem and no file yet', async () => {
  const path = await aPath()

  const state = await openState(path)

  assert.deepEqual(state.data, empty)
  assert.equal(state.problem, undefined)
  await assert.rejects(readFile(path), { code: 'ENOENT' })
})

test('an update is in the file, readable for people and for its owner only', async () => {
  const path = await aPath()
  const state = await openState(path)

  await state.update((data) => ({ ...data, name: 'site-1' }))

  assert.deepEqual(state.data, { name: 'site-1', count: 0 })
  assert.equal(await readFile(path, 'utf8'), '{\n  "name": "site-1",\n  "count": 0\n}\n')
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  assert.deepEqual((await openState(path)).data, { name: 'site-1', count: 0 })
})

test('updates at the same time are applied one after the other', async () => {
  const path = await aPath()
  const state = await openState(path)

  await Promise.all(Array.from({ length: 10 }, () => state.update((data) => ({ ...data, count: data.count + 1 }))))

  assert.equal(state.data.count, 10)
  assert.equal((await openState(path)).data.count, 10)
})

test('the copy before the last update is kept, for its owner only', async () => {
  const path = await aPath()
  const state = await openState(path)

  for (const count of [1, 2, 3]) await state.update((data) => ({ ...data, count }))

  assert.equal(JSON.parse(await readFile(`${path}.previous`, 'utf8')).count, 2)
  assert.equal((await stat(`${path}.previous`)).mode & 0o777, 0o600)
  assert.deepEqual((await readdir(join(path, '..'))).toSorted(), ['state.json', 'state.json.previous'])
})

test('an update that changes nothing writes nothing', async () => {
  const path = await aPath()
  const state = await openState(path)
  await state.update((data) => ({ ...data, count: 1 }))
  const before = await stat(path)

  await state.update((data) => ({ ...data }))

  assert.equal((await stat(path)).ino, before.ino)
})

test('a broken file falls back to the copy before, says so once, and is whole again', async () => {
  const broken = fc.constantFrom('', '{"name":"si', 'null', '[]', '"x"', '{"name":7,"count":1}', '\u0000\u0000')

  await fc.assert(
    fc.asyncProperty(broken, async (text) => {
      const path = await aPath()
      const state = await openState(path)
      for (const count of [1, 2]) await state.update(() => ({ name: 'x', count }))
      await writeFile(path, text)

      const restarted = await openState(path)

      assert.equal(restarted.data.count, 1)
      assert.match(restarted.problem ?? '', /state\.json is broken \(.*\): went back to the copy before/)
      const again = await openState(path)
      assert.equal(again.data.count, 1)
      assert.equal(again.problem, undefined)
    }),
    { numRuns: 20 }
  )
})

test('a copy that is broken too leaves an empty state that says so, and can be written again', async () => {
  const path = await aPath()
  const state = await openState(path)
  for (const count of [1, 2]) await state.update(() => ({ name: 'x', count }))
  await writeFile(path, '{')
  await writeFile(`${path}.previous`, '')

  const restarted = await openState(path)

  assert.deepEqual(restarted.data, empty)
  assert.match(
    restarted.problem ?? '',
    /state\.json is broken .* and .*previous is broken .*: began with an empty state/
  )
  await restarted.update(() => ({ name: 'new', count: 9 }))
  const again = await openState(path)
  assert.equal(again.data.count, 9)
  assert.equal(again.problem, undefined)
})

test('a broken file never takes the place of the copy before', async () => {
  const path = await aPath()
  const state = await openState(path)
  for (const count of [1, 2]) await state.update(() => ({ name: 'x', count }))
  await writeFile(path, '{')

  const restarted = await openState(path)
  await restarted.update((data) => ({ ...data, count: data.count + 10 }))

  assert.equal(restarted.data.count, 11)
  assert.equal(JSON.parse(await readFile(`${path}.previous`, 'utf8')).count, 1)
})

test('a problem repeats nothing of what the file held', async () => {
  const path = await aPath()
  await openState(path)

  for (const text of ['Password=secret', '{"password":"secret"}']) {
    await writeFile(path, text)
    const { problem } = await openState(path)
    assert.ok(problem)
    assert.doesNotMatch(problem, /secret/i)
  }
})

test('an update that throws, or cannot be written, leaves the state as it was and the next one works', async () => {
  const path = await aPath()
  const state = await openState(path)
  await state.update(() => ({ name: 'kept', count: 1 }))
  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic

  await assert.rejects(
    state.update(() => {
      throw new Error('no')
    }),
    /no/
  )
  await assert.rejects(
    state.update((data) => ({ ...data, cyclic })),
    TypeError
  )

  assert.deepEqual(state.data, { name: 'kept', count: 1 })
  await state.update((data) => ({ ...data, count: 2 }))
  assert.deepEqual((await openState(path)).data, { name: 'kept', count: 2 })
})
