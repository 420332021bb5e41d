import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { startForeignRegistry } from '../../test/fixtures/foreign-registry.ts'
import { anImage } from '../../test/fixtures/image-builder.ts'
import { pushImage } from '../../test/fixtures/push-image.ts'
import { randomBytes } from '../../test/fixtures/random-bytes.ts'
import type { LogLine, ModuleProcess } from '../../test/simulators/module-process.ts'
import { ours } from './contenders.ts'
import type { Fact } from './fact.ts'
import type { Scale } from './line.ts'
import { copiedInto, startModule } from './sync.ts'

const skopeo = 'skopeo'
const repository = 'bench/again'
const tag = 'latest'
const roundMs = 600_000
/** Of twenty parts two are another layer each time. */
const [layers, parts] = [18, 20]

/** What a store costs that holds most of it, or all, already. */
export async function measureSyncAgain(folder: string, { largeBytes }: Scale): Promise<readonly Fact[]> {
  const place = join(folder, 'sync-again')
  const [parent, target] = [await startForeignRegistry(), await startForeignRegistry()]
  const part = Math.floor(largeBytes / parts)
  const push = (seed: string) => {
    const files = [{ path: 'changing', content: randomBytes(seed, 2 * part) }]
    return pushImage(anImage({ seed: 'again', layers, layerSize: part, files }), { url: parent.url, repository, tag })
  }
  const from = [`docker://${parent.host}/${repository}:${tag}`]
  const copy = () => copiedInto(target, ['copy', '--all'], from, `${repository}:${tag}`)
  const module = await startModule(place, parent.host, [repository], 'Debug')
  try {
    await push('before')
    await copy()
    await module.start()
    await nextRound(module)
    await push('after')
    const [theirs, changed] = [await copy(), await nextRound(module)]
    if (changed.artifacts !== 1) throw new Error(`the round brought ${changed.artifacts} images`)
    const idle = await nextRound(module)
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
    await rm(place, { recursive: true, force: true })
  }
}

/** The next round that ends, from the first answer of the parent on. */
async function nextRound({ lines, line }: ModuleProcess) {
  const known = new Set(lines)
  const isNew = (msg: string) => (each: LogLine) => each.msg === msg && !known.has(each)
  const ended = await line(isNew('iteration ended'), AbortSignal.timeout(roundMs))
  if (ended.result !== 'Succeeded') throw new Error(`the round ended with ${ended.result}`)
  const answers = lines.filter(isNew('parent answered'))
  const ms = timeOf(ended) - timeOf(answers[0] ?? ended)
  return { artifacts: Number(ended.artifacts), requests: answers.length, ms }
}

function timeOf({ time }: LogLine): number {
  return typeof time === 'number' ? time : Date.parse(String(time))
}
