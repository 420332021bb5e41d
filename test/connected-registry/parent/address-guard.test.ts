import assert from 'node:assert/strict'
import type { LookupAddress } from 'node:dns'
import { test } from 'node:test'
import { createAddressGuard } from '../../../modules/connected-registry/src/parent/address-guard.ts'

const parentHost = 'registry.example'

/** A guard whose names resolve to these addresses, one answer after the other. */
function guardOf(...answers: readonly (readonly string[])[]) {
  const left = [...answers]
  const guard = createAddressGuard((_, { all }, callback) => {
    assert.equal(all, true)
    callback(
      null,
      (left.shift() ?? []).map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
    )
  })
  guard.know(parentHost)
  const look = (host: string, all = true) => {
    const { promise, resolve, reject } = Promise.withResolvers<string | LookupAddress[]>()
    guard.lookup(host, { all }, (error, found) => (error ? reject(error) : resolve(found)))
    return promise
  }
  return { ...guard, look }
}

const refused = { code: 'ADDRESS_REFUSED' }

test('a public parent stays public: its name may not become this machine, its link or a metadata service', async () => {
  const { look, refusal } = guardOf(
    ['192.0.2.1'],
    ['127.0.0.1'],
    ['::1'],
    ['169.254.169.254'],
    ['fe80::1'],
    ['192.0.2.2']
  )

  await look(parentHost)
  for (let attempt = 0; attempt < 4; attempt++) await assert.rejects(look(parentHost), refused)

  assert.deepEqual(await look(parentHost), [{ address: '192.0.2.2', family: 4 }])
  assert.equal(refusal('127.0.0.1')?.code, 'ADDRESS_REFUSED')
  assert.equal(refusal('[::ffff:7f00:1]')?.code, 'ADDRESS_REFUSED')
})

test('a private parent is a parent like any other', async () => {
  const { look, refusal } = guardOf(['10.0.0.4'], ['192.168.7.7'])

  assert.deepEqual(await look(parentHost), [{ address: '10.0.0.4', family: 4 }])
  assert.deepEqual(await look('storage.example', false), '192.168.7.7')
  assert.equal(refusal('10.0.0.5'), undefined)
})

test('where the parent is on this machine, its storage may be there too, and nowhere stranger', async () => {
  const { look } = guardOf(['127.0.0.1'], ['::1'], ['169.254.169.254'])

  await look(parentHost)

  assert.deepEqual(await look('storage.example'), [{ address: '::1', family: 6 }])
  await assert.rejects(look('storage.example'), refused)
})

test('of several addresses only the strange ones are left out', async () => {
  const { look } = guardOf(['192.0.2.1', '2001:db8::1'], ['127.0.0.1', '192.0.2.3', '64:ff9b::7f00:1'])

  await look(parentHost)

  assert.deepEqual(await look('storage.example'), [{ address: '192.0.2.3', family: 4 }])
})

test('nothing strange is connected to before the parent is known', async () => {
  const { look, refusal } = guardOf(['127.0.0.1'])

  await assert.rejects(look('storage.example'), refused)
  assert.equal(refusal('127.0.0.1')?.code, 'ADDRESS_REFUSED')
})

test('another parent is judged by what it resolves to itself', async () => {
  const { look, know } = guardOf(['192.0.2.1'], ['127.0.0.1'], ['127.0.0.1'])

  await look(parentHost)
  know('localhost')

  assert.deepEqual(await look('localhost.'), [{ address: '127.0.0.1', family: 4 }])
  know('LOCALHOST')
  assert.deepEqual(await look('localhost', false), '127.0.0.1')
})

test('a parent that is named by its address needs no look-up', () => {
  const guard = guardOf()
  guard.know('[::1]')

  assert.equal(guard.refusal('127.0.0.1'), undefined)
  assert.equal(guard.refusal('[fe80::1]')?.message, 'at a link-local address, which the parent itself is not')
})

test('a name that resolves to nothing, or to no address, is not connected to', async () => {
  const { look } = guardOf([], ['not an address'])

  await assert.rejects(look(parentHost), refused)
  await assert.rejects(look(parentHost), refused)
})
