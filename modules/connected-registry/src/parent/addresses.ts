import { isIPv4, isIPv6 } from 'node:net'

/**
 * What kind of place an address is: this machine, its link alone, the service that tells a cloud machine its secrets, or any
 * other. Whoever can make us ask one of the first three asks with this device's authority (CVE-2025-62718 and its kind).
 */
export type AddressKind = 'loopback' | 'link-local' | 'metadata' | 'other'

/** Of an address as Node writes it, with or without brackets and zone. Undefined: it is a name. */
export function addressKind(text: string): AddressKind | undefined {
  const [address = ''] = text.replace(/^\[|\]$/g, '').split('%', 1)
  if (isIPv4(address)) return kindOfIPv4(address.split('.').map(Number))
  return isIPv6(address) ? kindOfIPv6(bytesOfIPv6(address)) : undefined
}

// RFC 6890; of the clouds that have one of their own besides 169.254.169.254: Azure, Oracle, Alibaba.
const metadataAddresses: readonly string[] = ['169.254.169.254', '168.63.129.16', '192.0.0.192', '100.100.100.200']

function kindOfIPv4(bytes: readonly number[]): AddressKind {
  if (metadataAddresses.includes(bytes.join('.'))) return 'metadata'
  // "This host" is the machine itself as well.
  if (bytes[0] === 127 || bytes[0] === 0) return 'loopback'
  return bytes[0] === 169 && bytes[1] === 254 ? 'link-local' : 'other'
}

const noBytes = (count: number): readonly number[] => Array<number>(count).fill(0)
/** What an IPv4 address may be wrapped in, and the byte it begins at. */
const wrappings: readonly (readonly [prefix: readonly number[], at: number])[] = [
  // IPv4-compatible, -mapped and -translated (RFC 4291, 2.5.5; RFC 2765).
  [noBytes(12), 12],
  [[...noBytes(10), 0xff, 0xff], 12],
  [[...noBytes(8), 0xff, 0xff, 0, 0], 12],
  // NAT64 (RFC 6052, RFC 8215) and 6to4 (RFC 3056).
  [[0, 0x64, 0xff, 0x9b], 12],
  [[0x20, 0x02], 2]
]
// The metadata services of Amazon and Google over IPv6.
const metadataPrefixes: readonly (readonly number[])[] = [
  [0xfd, 0x00, 0x0e, 0xc2],
  [0xfd, 0x20, 0x00, 0xce]
]

function kindOfIPv6(bytes: readonly number[]): AddressKind {
  const starts = (prefix: readonly number[]) => prefix.every((byte, at) => bytes[at] === byte)
  if (starts(noBytes(15)) && (bytes[15] ?? 0) < 2) return 'loopback'
  if (bytes[0] === 0xfe && ((bytes[1] ?? 0) & 0xc0) === 0x80) return 'link-local'
  if (metadataPrefixes.some(starts)) return 'metadata'
  const [, at] = wrappings.find(([prefix]) => starts(prefix)) ?? []
  return at === undefined ? 'other' : kindOfIPv4(bytes.slice(at, at + 4))
}

function bytesOfIPv6(address: string): readonly number[] {
  const [head = '', tail] = address.split('::')
  const [first, last] = [bytesOfGroups(head), bytesOfGroups(tail ?? '')]
  return [...first, ...noBytes(16 - first.length - last.length), ...last]
}

function bytesOfGroups(text: string): readonly number[] {
  return text
    .split(':')
    .filter((group) => group !== '')
    .flatMap((group) => {
      if (group.includes('.')) return group.split('.').map(Number)
      const value = Number.parseInt(group, 16)
      return [value >> 8, value & 0xff]
    })
}
