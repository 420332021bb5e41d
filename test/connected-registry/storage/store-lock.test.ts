import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { lockStore } from '../../../modules/connected-registry/src/storage/store-lock.ts'
import { runProgram } from './run-program.ts'
import { temporaryFolder } from './temporary-folder.ts'

const aPath = async () => join(await temporaryFolder(), 'registry', 'lock.sqlite')
const inUse = { code: 'STORE_IN_USE', message: /the data volume is in use by another process: .*lock\.sqlite/ }

test('a second owner is refused until the first one lets go', async (t) => {
  const path = await aPath()
  const first = await lockStore(path)
  t.after(() => first.release())

  await assert.rejects(lockStore(path), inUse)
  await first.release()
  await first.release()

  const second = await lockStore(path)
  await second.release()
})

test('another process holds the lock as long as it lives, and kill -9 ends that', async (t) => {
  const path = await aPath()
  const holder = runProgram(t, 'hold-lock.ts', path)
  assert.equal(await holder.nextLine(), 'locked')
  await assert.rejects(lockStore(path), inUse)

  await holder.kill()

  const own = await lockStore(path)
  await own.release()
})

test('a lock file that is something else is named', async () => {
  const path = join(await temporaryFolder(), 'lock.sqlite')
  await writeFile(path, 'something else entirely, and longer than the header of a database: '.repeat(10))

  await assert.rejects(lockStore(path), { code: 'STORE_CORRUPT', path })
})
