import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type ForeignRegistry, startForeignRegistry } from '../../test/fixtures/foreign-registry.ts'
import { anImage as anImageOf } from '../../test/fixtures/image-builder.ts'
import { ownCost, passwordHash } from '../../test/fixtures/password-hash.ts'
import { freePorts } from '../../test/fixtures/ports.ts'
import { pushImage as pushTo } from '../../test/fixtures/push-image.ts'
import type { LogLine } from '../../test/simulators/module-process.ts'
import { type BareServer, bare, startBareServer } from './bare-server.ts'
import { type Connection, openConnection } from './connection.ts'
import { benchUser, createAuthorizer, ours } from './contenders.ts'
import type { Fact } from './fact.ts'
import type { LoadOptions } from './load.ts'
import { type Latency, latencyOf, loadNamed, loads } from './manifest-pulls.ts'
import { writeOurSettings } from './our-module.ts'
import { stepBack } from './processes.ts'
import { aBlob, anImage, type Image, pullImage, pushImage, read } from './registry-client.ts'
import { median } from './report.ts'
import type { SyncPart } from './sync.ts'
import { firstRound, startModule } from './sync-round.ts'

const pulled = 'bench/pulled'
const layerBytes = 1024 * 1024
const largeLayers = 20
const readers = 4
const stateMs = 60_000
/** Each takes more than a minute. */
const busyRounds = 2
/** Below that many the slowest of a hundred says nothing. */
const leastPulls = 200
/** How often an image twice as large is brought, where the last one was here before there were so many. */
const doublings = 4

/** What clients feel of sync: while the parent hangs, and while it gives all it has. */
export async function measureReaders(part: SyncPart): Promise<readonly Fact[]> {
  const parent = await startForeignRegistry()
  // In truth it has a machine of its own.
  stepBack(parent.pid)
  const control = await startBareServer()
  const site = await startSite(part, parent, control)
  try {
    const hanging = await inRounds(part, 'pulls while the parent hangs', (round) => whileItHangs(site, round))
    const busy = await whileSyncing(part, site)
    return [
      { work: 'cached pull p99, parent healthy', unit: 'ms', values: { [ours]: medianOf(hanging, 0) } },
      { work: 'cached pull p99, while the parent hangs', unit: 'ms', values: { [ours]: medianOf(hanging, 1) } },
      { work: 'cached pull p99, hanging over healthy', unit: 'x', values: { [ours]: ratioOf(hanging) }, limit: 1.1 },
      ...busy
    ]
  } finally {
    parent.thaw()
    await site.stop()
    await control.stop()
    await parent.stop()
  }
}

/** Manifests during a sync, of this registry and of a bare server, by the number of connections that pull. */
async function whileSyncing(part: SyncPart, site: Site): Promise<readonly Fact[]> {
  const measured = loads.map((connections) => ({ connections, own: [] as Pair[], beside: [] as Pair[] }))
  const few = { ...part, rounds: Math.min(part.rounds, busyRounds) }
  await inRounds(few, 'manifests during a sync', async (round) => {
    for (const { connections, own, beside } of measured) {
      const name = `${round}-${connections}`
      own.push(await duringSync(site, `own-${name}`, (until) => site.manifests(connections, until)))
      beside.push(await duringSync(site, `bare-${name}`, (until) => site.bare(connections, until)))
    }
  })
  return measured.flatMap(({ connections, own, beside }) => {
    const both = (figure: (pairs: readonly Pair[]) => number) => ({ [ours]: figure(own), [bare]: figure(beside) })
    return [
      {
        work: `manifest GET p99, ${loadNamed(connections)}, no sync`,
        unit: 'ms',
        values: both((pairs) => medianOf(pairs, 0))
      },
      { work: '  during a sync at full rate', unit: 'ms', values: both((pairs) => medianOf(pairs, 1)) },
      { work: '  during a sync over none', unit: 'x', values: both(ratioOf), limit: 3 }
    ]
  })
}

/** Before, and with sync under way; p99 in milliseconds. */
type Pair = readonly [before: number, meanwhile: number]

async function inRounds<Result>(
  { rounds, until, progress }: SyncPart,
  work: string,
  measure: (round: number) => Promise<Result>
): Promise<readonly Result[]> {
  const results: Result[] = []
  for (let round = 0; round < rounds && (round === 0 || performance.now() < until); round++) {
    progress(`round ${round + 1} of ${rounds}: ${work}`)
    results.push(await measure(round))
  }
  return results
}

function medianOf(pairs: readonly Pair[], which: 0 | 1): number {
  return median(pairs.map((pair) => pair[which]))
}

function ratioOf(pairs: readonly Pair[]): number {
  return median(pairs.map(([before, meanwhile]) => meanwhile / before))
}

interface Site {
  readonly parent: ForeignRegistry
  readonly image: Image
  readonly scale: SyncPart['scale']
  /** p99 in milliseconds of what the readers do one after the other. */
  pulls(): Promise<number>
  manifests(connections: number, until: Until): Promise<Latency>
  /** The same of a server that does nothing else, on the same machine. */
  bare(connections: number, until: Until): Promise<Latency>
  /** One repository more; resolves when its round is under way, or over already. */
  widen(repository: string): Promise<SyncUnderWay>
  stop(): Promise<void>
}

type Until = Pick<LoadOptions, 'milliseconds' | 'isOver'>
type Read = (until: Until) => Promise<Latency>

interface SyncUnderWay {
  /** The repository is here. */
  isOver(): boolean
  readonly ended: Promise<unknown>
}

/** A connected registry that holds the image which is pulled. */
async function startSite({ place, scale }: SyncPart, parent: ForeignRegistry, control: BareServer): Promise<Site> {
  const image = anImage(aBlob(layerBytes))
  await pushSmall(parent, pulled, image)
  const [port = 0] = await freePorts(1)
  const token = { name: benchUser.name, passwords: [{ hash: passwordHash(benchUser.password, ownCost) }] }
  const more = { clientTokens: [{ ...token, actions: ['repositories/*/content/read'] }] }
  const at = { place: join(place, 'site'), parent: parent.host, more }
  const repositories = [pulled]
  const module = await startModule({ ...at, repositories, port })
  await module.start()
  await firstRound(module)
  const authorize = createAuthorizer(port, benchUser)
  const load = (options: Omit<LoadOptions, 'port'>, of = port) => latencyOf({ port: of, ...options })
  return {
    parent,
    image,
    scale,
    async pulls() {
      const authorization = await authorize(pulled)
      const pull = async (connection: Connection) => {
        await pullImage({ connection, repository: pulled, authorization }, image, 'latest')
        return 1
      }
      return (await load({ connections: readers, milliseconds: scale.requestMs * 3, operation: pull })).p99
    },
    manifests: async (connections, until) =>
      load({ connections, ...until, operation: manifestOf(await authorize(pulled)) }),
    bare: (connections, until) => load({ connections, ...until, operation: manifestOf('') }, control.port),
    async widen(repository) {
      repositories.push(repository)
      let isOver = false
      const isThere = (line: LogLine) =>
        line.msg === 'reference brought from the parent' && line.repository === repository
      const ended = module.line(isThere, AbortSignal.timeout(stateMs * 5)).finally(() => {
        isOver = true
      })
      await writeOurSettings(at.place, { repositories, ...more })
      await Promise.race([syncing(port, () => isOver), ended])
      return { isOver: () => isOver, ended }
    },
    stop: async () => void (await module.stop())
  }
}

function manifestOf(authorization: string) {
  return (connection: Connection) => read({ connection, repository: pulled, authorization }, 'GET', 'manifests/latest')
}

async function pushSmall({ host }: ForeignRegistry, repository: string, image: Image): Promise<void> {
  const connection = await openConnection(Number(host.split(':')[1]))
  await pushImage({ connection, repository, authorization: '' }, image, 'latest')
  connection.close()
}

/** As anybody sees it who may log in; looks no more once `isOver`. */
async function syncing(port: number, isOver: () => boolean): Promise<void> {
  const headers = `Authorization: Basic ${Buffer.from(`${benchUser.name}:${benchUser.password}`).toString('base64')}\r\n`
  const until = performance.now() + stateMs
  const connection = await openConnection(port)
  while (!isOver()) {
    const { body } = await connection.send({ method: 'GET', path: '/status', headers, keepBody: true })
    if (/"connectionState":\s*"Syncing"/.test(body)) break
    if (performance.now() > until) throw new Error('no round began')
    await pause(5)
  }
  connection.close()
}

/** The parent takes connections and says nothing more, amid a round. */
async function whileItHangs(site: Site, round: number): Promise<Pair> {
  const repository = `bench/late-${round}`
  await pushSmall(site.parent, repository, anImage(aBlob(1024)))
  const healthy = await site.pulls()
  site.parent.freeze()
  const { ended, isOver } = await site.widen(repository)
  const hanging = await site.pulls()
  if (isOver()) throw new Error('the round did not wait for the parent')
  site.parent.thaw()
  await ended
  return [healthy, hanging]
}

/** What `read` tells without and with a sync under way: of a half, for it takes far longer to make an image than to bring it. */
async function duringSync(site: Site, name: string, read: Read): Promise<Pair> {
  for (let doubled = 0; doubled <= doublings; doubled++) {
    const bytes = (site.scale.largeBytes / 2) * 2 ** doubled
    const pair = await duringSyncOf(site, { repository: `bench/large-${name}-${doubled}`, bytes, read })
    if (pair) return pair
  }
  throw new Error(`an image is here before ${leastPulls} manifests: bring more`)
}

/** Undefined: it was over too soon. */
async function duringSyncOf(
  { parent, scale, widen }: Site,
  { repository, bytes, read }: { readonly repository: string; readonly bytes: number; readonly read: Read }
) {
  const image = anImageOf({ seed: repository, layers: largeLayers, layerSize: Math.floor(bytes / largeLayers) })
  await pushTo(image, { url: parent.url, repository, tag: 'latest' })
  const idle = await read({ milliseconds: scale.requestMs * 2 })
  const { isOver, ended } = await widen(repository)
  const busy = await read({ isOver })
  await ended
  return busy.count < leastPulls ? undefined : ([idle.p99, busy.p99] as const)
}
