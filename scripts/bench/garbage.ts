import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Contender, type OurContender, ours, startOurs } from './contenders.ts'
import type { Fact } from './fact.ts'
import type { Scale } from './line.ts'
import { applyLoad } from './load.ts'
import { createManifestPulls } from './manifest-pulls.ts'
import { aBlob, anImage, deleteManifest, pushImage } from './registry-client.ts'
import { median } from './report.ts'

const repository = 'bench/garbage'
const readers = 4
const hourMs = 3_600_000
const minuteMs = 60_000
const idleWindows = 5
/** How often as much again is left, where all of it was gone before one window had ended. */
const doublings = 4

/** p99 in milliseconds. */
interface Figures {
  readonly idle: number
  readonly busy: number
}

/**
 * How much longer the slowest of a hundred pulls of a manifest takes while garbage is collected, of this registry alone: the others
 * do that while they stand still. Throws where the collection is over within one window even of sixteen times the garbage.
 */
export async function measureGarbage(folder: string, { garbage, requestMs }: Scale): Promise<readonly Fact[]> {
  const windowMs = requestMs / 3
  for (let doubled = 0; doubled <= doublings; doubled++) {
    const figures = await measure(join(folder, `garbage-${doubled}`), garbage * 2 ** doubled, windowMs)
    if (figures) return factsOf(figures)
  }
  throw new Error(`${garbage * 2 ** doublings} images are collected in less than ${windowMs} ms: leave more garbage`)
}

/** Undefined: no window of pulls lay within the collection. */
async function measure(place: string, images: number, windowMs: number): Promise<Figures | undefined> {
  // What was deleted waits for an hour at least, so that is done by a clock that is behind.
  const before = await startOurs(place, { clockBehindMs: 2 * hourMs })
  await leaveGarbage(before, images).finally(() => before.stop())
  const contender = await startOurs(place, { garbageCollection: { enabled: false } })
  try {
    const pullAt = await createManifestPulls(contender, windowMs)
    const pullManifests = () => pullAt(readers)
    const idle: number[] = []
    while (idle.length < idleWindows) idle.push(await pullManifests())
    const busy = await whileCollecting(contender, pullManifests)
    return busy.length > 0 ? { idle: median(idle), busy: median(busy) } : undefined
  } finally {
    await contender.stop()
  }
}

/** What each window gave that lies wholly within the collection. */
async function whileCollecting(contender: OurContender, pullManifests: () => Promise<number>): Promise<number[]> {
  let isOver = false
  const collected = contender
    .logged('garbage collected')
    .then(() => Date.now())
    .finally(() => {
      isOver = true
    })
  async function pullUntilOver() {
    await contender.configure({ garbageCollection: { schedule: '* * * * *', grace: 'PT1H' } })
    await pause(minuteMs - (Date.now() % minuteMs))
    const windows: { readonly from: number; readonly p99: number }[] = []
    // The last one is not over when the collection is.
    for (let from = Date.now(); ; from = Date.now()) {
      const p99 = await pullManifests()
      if (isOver) return windows
      windows.push({ from, p99 })
    }
  }
  const [endedAt, windows] = await Promise.all([collected, pullUntilOver()])
  // Settings are taken within seconds: it may be a minute later that the collection began.
  const beganAt = endedAt - (endedAt % minuteMs)
  return windows.filter(({ from }) => from >= beganAt).map(({ p99 }) => p99)
}

function factsOf({ idle, busy }: Figures): readonly Fact[] {
  const work = `manifest GET p99, ${readers} connections,`
  return [
    { work: `${work} idle before it`, unit: 'ms', values: { [ours]: idle } },
    { work: `${work} during garbage collection`, unit: 'ms', values: { [ours]: busy } },
    {
      work: 'manifest GET p99, during garbage collection over idle',
      unit: 'x',
      values: { [ours]: busy / idle },
      limit: 3
    }
  ]
}

/** So many images with a blob each, pushed and deleted. */
async function leaveGarbage(contender: Contender, count: number): Promise<void> {
  const authorization = await contender.authorize(repository)
  await applyLoad({
    port: contender.port,
    connections: 8,
    operations: count,
    async operation(connection, index) {
      const target = { connection, repository, authorization }
      const image = anImage(aBlob(1024))
      await pushImage(target, image, `v${index}`)
      await deleteManifest(target, image)
      return 1
    }
  })
}
