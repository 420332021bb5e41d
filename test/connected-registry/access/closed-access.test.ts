import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAccess } from '../../../modules/connected-registry/src/access/access.ts'
import { createClosedAccess } from '../../../modules/connected-registry/src/access/closed-access.ts'
import { loadSigningKeys } from '../../../modules/connected-registry/src/access/signing-keys.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import { aToken } from './some-tokens.ts'

test('while the tokens are not told, nobody is told that a login is wrong; afterwards all is as ever', async () => {
  const tokens = [await aToken()]
  const signingKeys = await loadSigningKeys(createMemoryRecordStore())
  let isClosed = true
  const access = createClosedAccess(
    createAccess({ tokens: () => tokens, signingKeys, instanceId: 'site' }),
    () => isClosed
  )
  const known = { name: 'reader', password: 'secret', address: '127.0.0.1' }
  const unknown = { ...known, name: 'site-reader' }
  const unavailable = { code: 'UNAVAILABLE' }

  assert.equal((await access.signIn(known))?.name, 'reader')
  await assert.rejects(access.signIn(unknown), unavailable)
  await assert.rejects(access.recognize('eyJ'), unavailable)
  await assert.rejects(access.issue(unknown, { scopes: [], mode: 'ReadOnly' }), unavailable)

  isClosed = false
  assert.equal(await access.signIn(unknown), undefined)
  assert.equal(await access.recognize('eyJ'), undefined)
})
