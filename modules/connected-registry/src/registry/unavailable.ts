import { RegistryError } from '../protocol/errors.ts'
import type { Registry } from './registry.ts'

/** Stands in for a registry whose store cannot be opened: every question is answered UNAVAILABLE, never "not here". */
export function createUnavailableRegistry(): Registry {
  const unavailable = () => Promise.reject(new RegistryError('UNAVAILABLE'))
  return {
    repositories: { has: unavailable, list: unavailable, remove: unavailable },
    manifests: {
      stat: unavailable,
      get: unavailable,
      isWhole: unavailable,
      list: unavailable,
      put: unavailable,
      admit: unavailable,
      remove: unavailable
    },
    blobs: {
      stat: unavailable,
      open: unavailable,
      link: unavailable,
      unlink: unavailable,
      // biome-ignore lint/correctness/useYield: it never comes to one.
      async *holders() {
        await unavailable()
      },
      hold: unavailable
    },
    uploads: {
      begin: unavailable,
      size: unavailable,
      append: unavailable,
      finish: unavailable,
      cancel: unavailable,
      list: unavailable,
      expire: unavailable,
      dropOrphans: unavailable
    },
    tags: { get: unavailable, list: unavailable, put: unavailable, remove: unavailable },
    referrers: { list: unavailable, page: unavailable },
    metadata: {
      repository: unavailable,
      tags: unavailable,
      tag: unavailable,
      manifests: unavailable,
      manifest: unavailable
    },
    garbage: { collect: unavailable },
    changes: {
      head: () => 0,
      revision: unavailable,
      read: unavailable,
      since: unavailable,
      trim: unavailable,
      onChange: () => () => {}
    },
    wake: () => {}
  }
}
