import assert from 'node:assert/strict'
import { BlockList, isIPv4 } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { addressKind } from '../../../modules/connected-registry/src/parent/addresses.ts'

const spellings = {
  loopback: [
    ...['127.0.0.1', '127.1.2.3', '0.0.0.0', '::1', '::', '[::1]', '0:0:0:0:0:0:0:1', '::1%lo'],
    ...['::ffff:127.0.0.1', '::ffff:7f00:1', '::127.0.0.1', '::ffff:0:127.0.0.1', '64:ff9b::127.0.0.1'],
    ...['64:ff9b:1::7f00:1', '2002:7f00:1::', '::FFFF:0.0.0.0']
  ],
  'link-local': [
    '169.254.0.1',
    'fe80::1',
    'fe80::1%eth0',
    'febf::1',
    '[FE80::1]',
    '::ffff:169.254.1.1',
    '2002:a9fe:101::'
  ],
  metadata: [
    ...['169.254.169.254', '::ffff:169.254.169.254', '64:ff9b::a9fe:a9fe', 'fd00:ec2::254', 'fd20:ce::254'],
    ...['168.63.129.16', '::ffff:a83f:8110', '192.0.0.192', '100.100.100.200']
  ],
  other: ['10.0.0.1', '192.168.1.1', '172.16.0.1', '8.8.8.8', '128.0.0.1', '2001:db8::1', 'fd12::1', '::ffff:10.0.0.1']
} as const

for (const [kind, addresses] of Object.entries(spellings)) {
  for (const address of addresses) {
    test(`${address} is ${kind}`, () => assert.equal(addressKind(address), kind))
  }
}

// `URL` is what reads the parent's links, so that these never come here as they are written.
for (const host of [
  '2130706433',
  '0x7f.1',
  '0177.0.0.1',
  '127.1',
  '127.0.0.1.',
  '[::ffff:127.0.0.1]',
  '１２７.0.0.1'
]) {
  test(`${host} in a link is loopback`, () =>
    assert.equal(addressKind(new URL(`http://${host}/`).hostname), 'loopback'))
}

test('a name is no address', () => {
  for (const name of ['localhost', 'registry.example', '', '127.0.0', '1.2.3.4.example']) {
    assert.equal(addressKind(name), undefined)
  }
})

// Node's own reading of addresses is the second opinion.
const machine = new BlockList()
machine.addSubnet('127.0.0.0', 8)
machine.addSubnet('0.0.0.0', 8)
const link = new BlockList()
link.addSubnet('169.254.0.0', 16)
link.addSubnet('fe80::', 10, 'ipv6')

test('whatever an address is, it is judged as Node reads it', () => {
  const near = fc.ipV4().map((address) => address.replace(/^\d+\.\d+/, '169.254'))
  const addresses = fc.oneof(
    fc.ipV4(),
    near,
    fc.ipV6(),
    fc.ipV4().map((address) => `::ffff:${address}`)
  )
  fc.assert(
    fc.property(addresses, (address) => {
      const kind = addressKind(address)
      const family = isIPv4(address) ? 'ipv4' : 'ipv6'

      assert.notEqual(kind, undefined)
      if (machine.check(address, family)) assert.equal(kind, 'loopback')
      if (link.check(address, family)) assert.match(String(kind), /link-local|metadata/)
    })
  )
})

test('an address has one kind, however its zeros are written', () => {
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      assert.equal(addressKind(new URL(`http://[${address}]/`).hostname), addressKind(address))
    })
  )
})
