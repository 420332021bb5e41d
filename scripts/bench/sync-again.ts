import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startForeignRegistry } from '../../test/fixtures/foreign-registry.ts'
import { anImage, type BuiltImage, stacked } from '../../test/fixtures/image-builder.ts'
import { ownCost, passwordHash } from '../../test/fixtures/password-hash.ts'
import { freePorts } from '../../test/fixtures/ports.ts'
import { pushImage } from '../../test/fixtures/push-image.ts'
import type { LogLine, ModuleProcess } from '../../test/simulators/module-process.ts'
import { bareReader, startBareReader } from './bare-reader.ts'
import { openConnection } from './connection.ts'
import { benchUser, ours } from './contenders.ts'
import type { Fact } from './fact.ts'
import { median } from './report.ts'
import { settle } from './rounds.ts'
import type { SyncPart } from './sync.ts'
import { copiedInto, nextRound, skopeo, startModule } from './sync-round.ts'

const repository = 'bench/again'
/** The same for skopeo: what it copies is there before the next round begins. */
const copiedRepository = 'bench/again-copied'
const tag = 'latest'
const layers = 20
/** So many of them are others each time. */
const changing = 2
/** Our rounds come by the minute. */
const mostRounds = 3
const minuteMs = 60_000
/** So long before a round of ours the others have their turns: each has rested for a minute then, as ours. */
const turnsMs = { skopeo: 40_000, bareReader: 20_000 }
/** Before either the machine is settled; three seconds later its memory may have gone back to the host again. */
const settleMs = 2_000
/** To push what changed. */
const pushMs = 10_000

/** What a store costs that holds most of it, or all, already. */
export async function measureSyncAgain({ place, scale, rounds, until, progress }: SyncPart): Promise<readonly Fact[]> {
  progress('sync with little or nothing changed')
  const [parent, target] = [await startForeignRegistry(), await startForeignRegistry()]
  const layerSize = Math.floor(scale.largeBytes / layers)
  const kept = anImage({ seed: 'again', layers: layers - changing, layerSize })
  const imageOf = (seed: string) => stacked([anImage({ seed, layers: changing, layerSize }), kept])
  const push = (image: BuiltImage, to: string, mountFrom?: string) =>
    pushImage(image, { url: parent.url, repository: to, tag, mountFrom })
  const from = [`docker://${parent.host}/${copiedRepository}:${tag}`]
  const copy = () => copiedInto(target, { command: ['copy', '--all'], from, to: `${copiedRepository}:${tag}` })
  const [port = 0] = await freePorts(1)
  const token = { name: benchUser.name, passwords: [{ hash: passwordHash(benchUser.password, ownCost) }] }
  const clientTokens = [{ ...token, actions: ['repositories/*/content/read'] }]
  const at = { place: join(place, 'site'), parent: parent.host, repositories: [repository], port }
  const module = await startModule({ ...at, more: { logLevel: 'Debug', clientTokens } })
  const reader = startBareReader()

  async function preparedFor(time: number): Promise<void> {
    await waitUntil(time - settleMs)
    await settle(place, changing * layerSize)
  }

  /** Seconds of each. */
  async function change(image: BuiltImage): Promise<Readonly<Record<string, number>>> {
    const next = await nextRoundAt(port)
    const round = next - Date.now() < turnsMs.skopeo + pushMs ? next + minuteMs : next
    await push(image, copiedRepository, repository)
    await preparedFor(round - turnsMs.skopeo)
    await waitUntil(round - turnsMs.skopeo)
    const { seconds } = await copy()
    await preparedFor(round - turnsMs.bareReader)
    await waitUntil(round - turnsMs.bareReader)
    const urls = layersOf(image, layerSize).map((digest) => `${parent.url}/v2/${copiedRepository}/blobs/${digest}`)
    const read = await reader.read({ urls, folder: place })
    await push(image, repository, copiedRepository)
    await preparedFor(round)
    return { [ours]: (await measured(module, 1)).ms / 1000, [skopeo]: seconds, [bareReader]: read }
  }

  try {
    const before = imageOf('before')
    await push(before, repository)
    await push(before, copiedRepository, repository)
    await copy()
    await module.start()
    await measured(module, 1)
    const changes: Readonly<Record<string, number>>[] = []
    const most = Math.min(rounds, mostRounds)
    for (let round = 0; round < most && (round === 0 || performance.now() < until); round++) {
      progress(`round ${round + 1} of ${most}: some layers changed`)
      changes.push(await change(imageOf(`round ${round}`)))
    }
    const idle = await measured(module)
    const of = (name: string) => median(changes.map((seconds) => seconds[name] ?? 0))
    const values = { [ours]: of(ours), [skopeo]: of(skopeo), [bareReader]: of(bareReader) }
    return [
      {
        work: 'sync with 10 % of the layers changed, ours from the first answer',
        unit: 's',
        values,
        limit: of(skopeo) * 0.3
      },
      { work: 'sync with nothing changed', unit: 'requests', values: { [ours]: idle.requests }, limit: 3 },
      { work: '  from its first answer to its end', unit: 'ms', values: { [ours]: idle.ms }, limit: 50 }
    ]
  } finally {
    await module.stop()
    await Promise.all([reader.stop(), parent.stop(), target.stop()])
  }
}

/** The large ones of those that it does not share with what was there before. */
function layersOf({ blobs }: BuiltImage, layerSize: number): readonly string[] {
  return Array.from(blobs)
    .filter(([, bytes]) => bytes.byteLength >= layerSize)
    .slice(0, changing)
    .map(([digest]) => digest)
}

/** `time`: milliseconds since the epoch. */
async function waitUntil(time: number): Promise<void> {
  await pause(Math.max(0, time - Date.now()))
}

/** When the module's next round is due, as its status says; milliseconds since the epoch. */
async function nextRoundAt(port: number): Promise<number> {
  const credentials = Buffer.from(`${benchUser.name}:${benchUser.password}`).toString('base64')
  const connection = await openConnection(port)
  const headers = `Authorization: Basic ${credentials}\r\n`
  const { body } = await connection.send({ method: 'GET', path: '/status', headers, keepBody: true })
  connection.close()
  return Date.parse(JSON.parse(body).sync.next)
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
