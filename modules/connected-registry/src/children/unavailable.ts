import { RegistryError } from '../protocol/errors.ts'
import type { Children } from './children.ts'

/** Stands in for the children of a registry whose store cannot be opened: each call is UNAVAILABLE, never "no such child". */
export function createUnavailableChildren(): Children {
  const unavailable = (): never => {
    throw new RegistryError('UNAVAILABLE')
  }
  return {
    get epoch() {
      return unavailable()
    },
    isSynced: unavailable,
    mode: unavailable,
    find: unavailable,
    activate: async () => unavailable(),
    require: async () => unavailable(),
    deactivate: async () => unavailable(),
    readmit: async () => unavailable(),
    config: unavailable,
    messages: async () => unavailable(),
    report: unavailable,
    overview: () => [],
    changed: () => {},
    close: () => {}
  }
}
