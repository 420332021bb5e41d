import { join } from 'node:path'
import { type ForeignRegistry, startForeignRegistry } from '../../test/fixtures/foreign-registry.ts'
import { anImage, type BuiltImage } from '../../test/fixtures/image-builder.ts'
import { pushImage } from '../../test/fixtures/push-image.ts'
import { ours } from './contenders.ts'
import type { Fact } from './fact.ts'
import { median } from './report.ts'
import { openSlowLink, type SlowLinkOptions } from './slow-link.ts'
import type { SyncPart } from './sync.ts'
import { type Copied, type CopyOrder, copied, inTurns, skopeo, synced } from './sync-round.ts'

const repository = 'bench/sync'
const layers = 20
const smallImages = 20
const longLink: SlowLinkOptions = { roundTripMs: 50 }
const thinLink = { roundTripMs: 100, bitsPerSecond: 20_000_000 }

interface Wanted {
  /** At the most so many times what skopeo takes. */
  readonly wall: number
  readonly cpu?: number
  readonly link?: SlowLinkOptions
}

/** One image into an empty store: by this registry's first round, and by skopeo into another docker-registry. */
export async function measureImage(part: SyncPart, { wall, cpu, link }: Wanted): Promise<readonly Fact[]> {
  const bytes = part.scale.largeBytes
  const image = anImage({ seed: 'sync', layers, layerSize: Math.floor(bytes / layers) })
  const order = (from: string): CopyOrder => ({
    command: ['copy', '--all'],
    from: [`docker://${from}/${repository}:latest`],
    to: `${repository}:latest`
  })
  const { own, theirs } = await compare(part, { images: [[image, 'latest']], bytes, order, link })
  const way = link ? `, ${link.roundTripMs} ms` : ''
  return [
    against(`sync of ${Math.round(bytes / 2 ** 20)} MiB in ${layers} layers${way}`, own, theirs, wall),
    {
      work: '  CPU of the reader and its store',
      unit: 's',
      values: { [ours]: own.cpu, [skopeo]: theirs.cpu },
      ...(cpu && { limit: theirs.cpu * cpu })
    },
    { work: '  most memory held', unit: 'MiB', values: { [ours]: own.peak }, limit: 200 }
  ]
}

export async function measureSmallImages(part: SyncPart): Promise<readonly Fact[]> {
  const images = Array.from({ length: smallImages }, (_, index) => {
    return [anImage({ seed: `small ${index}`, layers: 1, layerSize: 20_000 }), `v${index}`] as const
  })
  const order = (from: string): CopyOrder => ({
    command: ['sync', '--all'],
    from: ['--src', 'docker', '--dest', 'docker', `${from}/${repository}`],
    to: 'bench'
  })
  const { own, theirs } = await compare(part, { images, bytes: 0, order, link: longLink })
  return [against(`sync of ${smallImages} small images, ${longLink.roundTripMs} ms`, own, theirs, 0.1)]
}

/** How much of a thin line is content. The line takes as long each time: once is enough. */
export async function measureThinLink({ place, scale, progress }: SyncPart): Promise<readonly Fact[]> {
  progress('sync over a thin link')
  const bytes = scale.thinBytes
  const image = anImage({ seed: 'thin', layers: 4, layerSize: Math.floor(bytes / 4) })
  const parent = await startParent([[image, 'latest']])
  const line = await openSlowLink(parent.host, thinLink)
  try {
    const { seconds } = await synced({ place, parent: line.host, repositories: [repository] })
    const ideal = (bytes * 8) / thinLink.bitsPerSecond
    const work = `sync of ${Math.round(bytes / 1e6)} MB over 20 Mbit/s, 100 ms, against the line alone`
    return [{ work, unit: 'times', values: { [ours]: seconds / ideal }, limit: 1 / 0.9 }]
  } finally {
    line.close()
    await parent.stop()
  }
}

function against(work: string, own: Copied, theirs: Copied, wall: number): Fact {
  const values = { [ours]: own.seconds, [skopeo]: theirs.seconds }
  return { work, unit: 's', values, limit: theirs.seconds * wall }
}

interface Comparison {
  readonly images: readonly (readonly [BuiltImage, tag: string])[]
  /** What each of the two writes. */
  readonly bytes: number
  readonly order: (from: string) => CopyOrder
  readonly link?: SlowLinkOptions | undefined
}

/** Medians. */
async function compare(
  { place, rounds, until, progress }: SyncPart,
  { images, bytes, order, link }: Comparison
): Promise<{ readonly own: Copied & { readonly peak: number }; readonly theirs: Copied }> {
  const parent = await startParent(images)
  const line = link && (await openSlowLink(parent.host, link))
  const from = line?.host ?? parent.host
  const own: (Copied & { readonly peak: number })[] = []
  const theirs: Copied[] = []
  try {
    for (let round = 0; round < rounds && (round === 0 || performance.now() < until); round++) {
      progress(`round ${round + 1} of ${rounds}: sync from ${from}`)
      const at = { place: join(place, 'site'), parent: from, repositories: [repository] }
      const turn = { place, bytes, round }
      const [mine, another] = await inTurns(
        turn,
        () => synced(at),
        () => copied(order(from))
      )
      own.push(mine)
      theirs.push(another)
    }
  } finally {
    line?.close()
    await parent.stop()
  }
  return { own: { ...medianOf(own), peak: Math.max(...own.map(({ peak }) => peak)) }, theirs: medianOf(theirs) }
}

function medianOf(values: readonly Copied[]): Copied {
  return { seconds: median(values.map(({ seconds }) => seconds)), cpu: median(values.map(({ cpu }) => cpu)) }
}

async function startParent(images: Comparison['images']): Promise<ForeignRegistry> {
  const parent = await startForeignRegistry()
  try {
    for (const [image, tag] of images) await pushImage(image, { url: parent.url, repository, tag })
    return parent
  } catch (error) {
    await parent.stop()
    throw error
  }
}
