import { type LookupAddress, type LookupAllOptions, lookup as systemLookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { type AddressKind, addressKind } from './addresses.ts'

/**
 * Where connections may go: to loopback, link-local and metadata addresses only where the configured parent is at such an
 * address itself. Judged in the look-up that a connection is made with, so that no name can answer otherwise a moment later.
 */
export interface AddressGuard {
  /** The parent's host. What it resolves to first is what it goes on to resolve to: a public one does not become loopback. */
  know(parentHost: string): void
  /** For a host that is an address: undefined where it may be connected to. Names are judged by `lookup`. */
  refusal(host: string): AddressRefusedError | undefined
  /** For `net.connect`. Addresses that may not be are left out; where none is left it fails. */
  readonly lookup: LookupFunction
}

export type Resolve = (
  host: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void
) => void

export class AddressRefusedError extends Error {
  override readonly name = 'AddressRefusedError'
  readonly code = 'ADDRESS_REFUSED'
}

export function createAddressGuard(resolve: Resolve = systemLookup): AddressGuard {
  let parentHost = ''
  /** Undefined: the parent's name was not resolved yet. */
  let allowed: ReadonlySet<AddressKind> | undefined

  function judge(host: string, kinds: readonly AddressKind[]): ReadonlySet<AddressKind> {
    if (!allowed && plain(host) === parentHost) allowed = new Set(kinds)
    return new Set<AddressKind>(['other', ...(allowed ?? [])])
  }

  function admitted(host: string, addresses: readonly LookupAddress[]): LookupAddress[] {
    // What is no address is nothing to connect to either.
    const kinds = addresses.map(({ address }) => addressKind(address))
    const allowedKinds = judge(
      host,
      kinds.filter((kind) => kind !== undefined)
    )
    return addresses.filter((_, at) => kinds[at] !== undefined && allowedKinds.has(kinds[at]))
  }

  return {
    know(host) {
      const next = plain(host)
      if (next === parentHost) return
      parentHost = next
      const kind = addressKind(next)
      allowed = kind && new Set([kind])
    },
    refusal(host) {
      const kind = addressKind(host)
      return kind && !judge(host, [kind]).has(kind) ? refused(kind) : undefined
    },
    lookup(host, options, callback) {
      resolve(host, { ...options, all: true }, (error, found) => {
        if (error) return callback(error, [])
        const addresses = admitted(host, found)
        const [first] = addresses
        if (!first) return callback(refused(addressKind(found[0]?.address ?? '')), [])
        if (options.all) callback(null, addresses)
        else callback(null, first.address, first.family)
      })
    }
  }
}

function plain(host: string): string {
  return host.toLowerCase().replace(/^\[|\]$|\.$/g, '')
}

function refused(kind: AddressKind | undefined): AddressRefusedError {
  return new AddressRefusedError(`at a ${kind ?? 'wrong'} address, which the parent itself is not`)
}
