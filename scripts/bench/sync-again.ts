import { join } from 'node:path'
import { startForeignRegistry } from '../../test/fixtures/foreign-registry.ts'
import { anImage } from '../../test/fixtures/image-builder.ts'
import { pushImage } from '../../test/fixtures/push-image.ts'
import type { LogLine, ModuleProcess } from '../../test/simulators/module-process.ts'
import { ours } from './contenders.ts'
import type { Fact } from './fact.ts'
import type { SyncPart } from './sync.ts'
import { copiedInto, nextRound, skopeo, startModule } from './sync-round.ts'

const repository = 'bench/again'
/** The same for skopeo: what it copies is there before the next round begins. */
const copiedRepository = 'bench/again-copied'
const tag = 'latest'
const layers = 20
/** So many of them are others each time. */
const changing = 2

/** What a store costs that holds most of it, or all, already. Rounds come by the minute, so each is measured once. */
export async function measureSyncAgain({ place, scale, progress }: SyncPart): Promise<readonly Fact[]> {
  progress('sync with little or nothing changed')
  const [parent, target] = [await startForeignRegistry(), await startForeignRegistry()]
  const layerSize = Math.floor(scale.largeBytes / layers)
  const push = (seed: string, to: string) => {
    const layerSeed = (index: number) => (index < changing ? seed : 'again')
    const image = anImage({ layers, layerSize, layerSeed })
    return pushImage(image, { url: parent.url, repository: to, tag })
  }
  const from = [`docker://${parent.host}/${copiedRepository}:${tag}`]
  const copy = async (seed: string) => {
    await push(seed, copiedRepository)
    return copiedInto(target, { command: ['copy', '--all'], from, to: `${copiedRepository}:${tag}` })
  }
  const at = { place: join(place, 'site'), parent: parent.host, repositories: [repository] }
  const module = await startModule({ ...at, more: { logLevel: 'Debug' } })
  try {
    await copy('before')
    await push('before', repository)
    await module.start()
    await measured(module)
    const theirs = await copy('after')
    const arriving = measured(module, 1)
    await push('after', repository)
    const changed = await arriving
    const idle = await measured(module)
    const values = { [ours]: changed.ms / 1000, [skopeo]: theirs.seconds }
    return [
      {
        work: 'sync with 10 % of the layers changed, ours from the first answer',
        unit: 's',
        values,
        limit: theirs.seconds * 0.3
      },
      { work: 'sync with nothing changed', unit: 'requests', values: { [ours]: idle.requests }, limit: 3 },
      { work: '  from its first answer to its end', unit: 'ms', values: { [ours]: idle.ms }, limit: 50 }
    ]
  } finally {
    await module.stop()
    await Promise.all([parent.stop(), target.stop()])
  }
}

/** The next round that brings so many images at least, from the first answer of the parent on. */
async function measured(module: ModuleProcess, artifacts = 0) {
  const { ended, lines } = await nextRound(module, artifacts)
  const answers = lines.filter(({ msg }) => msg === 'parent answered')
  const ms = timeOf(ended) - timeOf(answers[0] ?? ended)
  return { requests: answers.length, ms }
}

function timeOf({ time }: LogLine): number {
  return typeof time === 'number' ? time : Date.parse(String(time))
}
