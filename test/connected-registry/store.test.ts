import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openStore, type Store } from '../../modules/connected-registry/src/store.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'

async function open(t: TestContext, dataVolume: string): Promise<Store> {
  const store = await openStore(dataVolume)
  t.after(() => store.close())
  return store
}

test('a first start gives the instance a name and finds nothing wrong', async (t) => {
  const store = await open(t, join(await temporaryFolder(), 'data'))

  assert.match(store.instanceId, /^[0-9a-f-]{36}$/)
  assert.equal(store.state.data.instanceId, store.instanceId)
  assert.equal(store.stateProblem, undefined)
})

test('the name of the instance outlives its state file, and its records, and the loss is told once', async (t) => {
  const dataVolume = await temporaryFolder()
  const { instanceId, close } = await open(t, dataVolume)
  await close()
  await rm(join(dataVolume, 'state.json'))
  await rm(join(dataVolume, 'state.json.previous'), { force: true })

  const second = await open(t, dataVolume)
  assert.equal(second.instanceId, instanceId)
  assert.match(second.stateProblem ?? '', /state\.json is missing: began with an empty state$/)
  await second.close()
  await rm(join(dataVolume, 'registry'), { recursive: true })

  const third = await open(t, dataVolume)
  assert.equal(third.instanceId, instanceId)
  assert.equal(third.stateProblem, undefined)
})

for (const state of [
  '[]',
  'null',
  '{"desired":[]}',
  '{"parentConfig":{"config":{}}}',
  '{"desired":"x"}',
  '{"instanceId":7}',
  '{"desired":{}'
])
  test(`${state} is no state: what was before it counts`, async (t) => {
    const dataVolume = await temporaryFolder()
    const first = await open(t, dataVolume)
    await first.state.update((kept) => ({ ...kept, desired: { logLevel: 'Debug' } }))
    await first.state.update((kept) => ({ ...kept, desired: { logLevel: 'Error' } }))
    await first.close()
    await writeFile(join(dataVolume, 'state.json'), state)

    const { state: kept, stateProblem, instanceId } = await open(t, dataVolume)

    assert.deepEqual(kept.data, { instanceId, desired: { logLevel: 'Debug' } })
    assert.match(stateProblem ?? '', /state\.json is broken .*went back to the copy before$/)
  })

test('a data volume that cannot be written leaves nothing open', async (t) => {
  const dataVolume = await temporaryFolder()
  const { close } = await open(t, dataVolume)
  await close()
  const state = join(dataVolume, 'state.json')
  await rm(state)
  await writeFile(
    join(dataVolume, 'registry', 'records.sqlite'),
    'not a database, and longer than its header'.repeat(9)
  )

  await assert.rejects(openStore(dataVolume), { code: 'STORE_CORRUPT' })

  await rm(join(dataVolume, 'registry', 'records.sqlite'))
  assert.match((await open(t, dataVolume)).instanceId, /-/)
})
