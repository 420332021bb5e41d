import type { Contender } from './contenders.ts'
import type { Load } from './load.ts'

/** One line of the table: some work, done by each contender in each round. */
export interface Line {
  readonly name: string
  readonly group: Group
  readonly unit: 'requests' | 'operations' | 'MiB'
  readonly target?: Target
  /** Whom the ratios are of and against, where it is not this registry and docker-registry. */
  readonly between?: readonly [own: string, other: string]
  /** Another one whose ratios are told too, in a row of its own and without a target. */
  readonly alsoBeside?: string
  /** Bytes that the work of one round lays down in files, about. */
  readonly written?: number
  /** Fills a contender, once, before the first round. */
  prepare?(contender: Contender): Promise<void>
  /** What must be ready before the clock runs, and then the work itself. */
  round(contender: Contender): Promise<() => Promise<Load>>
  /** After each round. */
  clean?(contender: Contender): Promise<void>
}

/** Against the reference: at least so many times as fast, with at most so many times the CPU seconds. */
export interface Target {
  readonly speed: number
  readonly cpu?: number
}

/** Parts of `sync`: each is done in less than five minutes, also with all there is to measure. */
export const syncGroups = [
  'sync-loopback',
  'sync-long-link',
  'sync-small',
  'sync-thin-link',
  'sync-again',
  'sync-cuts',
  'sync-readers'
] as const
export type SyncGroup = (typeof syncGroups)[number]

export const groups = [
  'manifests',
  'tags',
  'blobs',
  'pushes',
  'zb',
  'access',
  'proxy',
  'latency',
  'garbage',
  'many-tags',
  'idle-round',
  ...syncGroups,
  'layers',
  'children',
  'memory'
] as const
export type Group = (typeof groups)[number]

/** How much of everything: the whole, or enough to see that it works. */
export interface Scale {
  readonly rounds: number
  /** Of small requests, for each contender and round. */
  readonly requestMs: number
  readonly largeBytes: number
  readonly mediumBytes: number
  readonly chunkBytes: number
  /** Over a link of 20 Mbit/s. */
  readonly thinBytes: number
  readonly tags: number
  readonly manyTags: number
  /** Images that one run of the garbage collection finds, at least. */
  readonly garbage: number
  /** Of a parent that nothing happens in. */
  readonly idle: { readonly repositories: number; readonly tags: number }
  /** Of `zb`: operations for images of 1, 10 and 100 MB. */
  readonly operations: readonly [small: number, medium: number, large: number]
  /** Images pushed one after the other at the top, and how long nothing happens after that. */
  readonly layers: { readonly images: number; readonly imageBytes: number; readonly idleMs: number }
  /** How many wait for messages of one parent, and for how long they are watched. */
  readonly children: { readonly counts: readonly number[]; readonly quietMs: number; readonly cycleMs: number }
  readonly withinMs: number
}

const mebibyte = 1024 * 1024
export const fullScale: Scale = {
  rounds: 5,
  requestMs: 1000,
  largeBytes: 1024 * mebibyte,
  mediumBytes: 64 * mebibyte,
  chunkBytes: 16 * mebibyte,
  thinBytes: 100_000_000,
  tags: 1000,
  manyTags: 100_000,
  garbage: 4000,
  idle: { repositories: 100, tags: 100 },
  operations: [60, 20, 10],
  layers: { images: 50, imageBytes: 10_000_000, idleMs: 120_000 },
  children: { counts: [50, 200, 1000], quietMs: 15_000, cycleMs: 55_000 },
  withinMs: 10 * 60_000
}
export const quickScale: Scale = {
  ...fullScale,
  rounds: 1,
  requestMs: 300,
  largeBytes: 64 * mebibyte,
  mediumBytes: 8 * mebibyte,
  thinBytes: 7_000_000,
  tags: 200,
  manyTags: 2000,
  garbage: 1000,
  idle: { repositories: 10, tags: 10 },
  operations: [10, 4, 2],
  layers: { images: 3, imageBytes: 1_000_000, idleMs: 5_000 },
  children: { counts: [5, 20], quietMs: 1_000, cycleMs: 2_000 }
}
