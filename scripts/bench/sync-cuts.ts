import { join } from 'node:path'
import { startForeignRegistry } from '../../test/fixtures/foreign-registry.ts'
import { anImage, type BuiltImage, blobsOf } from '../../test/fixtures/image-builder.ts'
import { pushImage } from '../../test/fixtures/push-image.ts'
import { ours } from './contenders.ts'
import { openCutLink } from './cut-link.ts'
import type { Fact } from './fact.ts'
import type { SyncPart } from './sync.ts'
import { startModule } from './sync-round.ts'

const repository = 'bench/cuts'
const layers = 20
const cuts = 100
const arriveMs = 600_000

/** What comes over a line that breaks again and again, beside what is needed. */
export async function measureCuts({ place, scale, progress }: SyncPart): Promise<readonly Fact[]> {
  progress('sync over a line that breaks')
  const parent = await startForeignRegistry()
  const image = anImage({ seed: 'cuts', layers, layerSize: Math.floor(scale.largeBytes / layers) })
  await pushImage(image, { url: parent.url, repository, tag: 'latest' })
  const needed = bytesOf(image)
  const line = await openCutLink(parent.host, { cuts, within: needed })
  const module = await startModule({ place: join(place, 'site'), parent: line.host, repositories: [repository] })
  try {
    await module.start()
    const from = performance.now()
    const isThere = ({ msg, result }: (typeof module.lines)[number]) =>
      msg === 'iteration ended' && result === 'Succeeded'
    await module.line(isThere, AbortSignal.timeout(arriveMs))
    const seconds = (performance.now() - from) / 1000
    const rounds = module.lines.filter(({ msg }) => msg === 'iteration ended').length
    const work = `sync of ${Math.round(needed / 2 ** 20)} MiB across ${line.cuts} cuts, bytes received against needed`
    return [
      { work, unit: 'times', values: { [ours]: line.bytes / needed }, limit: 1.02 },
      { work: '  until it is here', unit: 's', values: { [ours]: seconds } },
      { work: '  in as many rounds', unit: 'rounds', values: { [ours]: rounds } }
    ]
  } finally {
    await module.stop()
    line.close()
    await parent.stop()
  }
}

function bytesOf(image: BuiltImage): number {
  return [...blobsOf(image).values(), image.manifest.bytes].reduce((sum, { byteLength }) => sum + byteLength, 0)
}
