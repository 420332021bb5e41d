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
  let reason: string | undefined = 'the twin was not heard yet'
  let asked: string | undefined
  const access = createClosedAccess(createAccess({ tokens: () => tokens, signingKeys, instanceId: 'site' }), (name) => {
    asked = name
    return reason
  })
  const known = { name: 'reader', password: 'secret', address: '127.0.0.1' }
  const unknown = { ...known, name: 'site-reader' }
  const unavailable = { code: 'UNAVAILABLE', detail: { reason } }

  assert.equal((await access.signIn(known))?.name, 'reader')
  await assert.rejects(access.signIn(unknown), unavailable)
  assert.equal(asked, 'site-reader')
  await assert.rejects(access.recognize('eyJ'), unavailable)
  assert.equal(asked, undefined)
  await assert.rejects(access.issue(unknown, { scopes: [], mode: 'ReadOnly' }), unavailable)

  reason = undefined
  assert.equal(await access.signIn(unknown), undefined)
  assert.equal(await access.recognize('eyJ'), undefined)
})
