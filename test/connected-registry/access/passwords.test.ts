import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import {
  hashPassword,
  isPasswordHash,
  verifyPassword
} from '../../../modules/connected-registry/src/access/passwords.ts'

test('a password fits its hash and no other does', async () => {
  const hash = await hashPassword('pässword: with ☃ and :', 12)

  assert.ok(isPasswordHash(hash))
  assert.ok(await verifyPassword('pässword: with ☃ and :', hash))
  for (const other of ['', 'password', 'pässword: with ☃ and ']) assert.equal(await verifyPassword(other, hash), false)
})

test('the same password never has the same hash', async () => {
  assert.notEqual(await hashPassword('same', 12), await hashPassword('same', 12))
})

test('a hash made elsewhere is understood', async () => {
  // Python: hashlib.scrypt(b'pleaseletmein', salt=bytes(range(16)), n=2**14, r=8, p=1, dklen=32)
  const hash = 'scrypt$14$8$1$AAECAwQFBgcICQoLDA0ODw$UxYE_nON8zrmLNK5lL_j9XPtKMDZ5VR_h1tkExic5Zo'

  assert.ok(await verifyPassword('pleaseletmein', hash))
  assert.equal(await verifyPassword('pleaseletmeout', hash), false)
})

test('a hash that asks for too much, protects nothing or is none is refused', async () => {
  const salt = 'A'.repeat(22)
  const key = 'A'.repeat(43)
  const refused = [
    `scrypt$30$8$1$${salt}$${key}`,
    `scrypt$99$8$1$${salt}$${key}`,
    `scrypt$17$16$1$${salt}$${key}`,
    `scrypt$15$99$1$${salt}$${key}`,
    `scrypt$15$8$9$${salt}$${key}`,
    `scrypt$15$8$0$${salt}$${key}`,
    `scrypt$02$8$1$${salt}$${key}`,
    `scrypt$15$8$1$$${key}`,
    `scrypt$15$8$1$${salt}$AAAA`,
    `scrypt$15$8$1$${salt}$${'A'.repeat(5000)}`,
    `bcrypt$15$8$1$${salt}$${key}`,
    'password'
  ]

  for (const hash of refused) {
    assert.equal(isPasswordHash(hash), false, hash)
    assert.equal(await verifyPassword('password', hash), false, hash)
  }
  assert.ok(isPasswordHash(`scrypt$17$8$1$${salt}$${key}`))
})

test('no text makes the reader of hashes fail', () => {
  const pieces = fc.constantFrom('scrypt', '$', '15', '8', '1', 'A'.repeat(22), 'A'.repeat(43), '-1', '1e9', 'é')
  const text = fc.oneof(
    fc.string(),
    fc.array(pieces).map((parts) => parts.join(''))
  )

  fc.assert(fc.property(text, (hash) => typeof isPasswordHash(hash) === 'boolean'))
})
