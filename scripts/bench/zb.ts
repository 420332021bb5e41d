import { randomUUID } from 'node:crypto'
import { type Connection, openConnection } from './connection.ts'
import type { Contender } from './contenders.ts'
import type { Line, Scale } from './line.ts'
import { applyLoad } from './load.ts'
import {
  aBlob,
  anImage,
  type Blob,
  type Image,
  pullImage,
  pushChunks,
  pushImage,
  pushWhole,
  type Target
} from './registry-client.ts'

const connections = 10
const sizes = [1, 10, 100] as const
const pulled = 'bench/zb-pull'
const pushTarget = { speed: 1.5 }
const pullTarget = { speed: 1.15 }

type Push = (target: Target, blob: Blob) => Promise<void>
/** One operation: an image pushed to a repository of its own, or pulled. */
type Operation = { readonly image: Image; readonly push?: Push }

/**
 * The workloads of zot's load generator `zb`, by its numbers: ten clients; one blob of each size for the whole run, pushed
 * to a new repository each time. The mixes are dealt in turn, so that every round and every contender gets the same.
 */
export function zbLines({ operations: counts }: Scale): readonly Line[] {
  const images = sizes.map((size) => anImage(aBlob(size * 1024 * 1024)))
  const [small, medium, large] = images as [Image, Image, Image]
  const fill = (contender: Contender) => fillImages(contender, images)
  const each = <T>(make: (image: Image, index: number) => T) => images.map(make)

  return [
    catalogLine(fill, counts[0] * 4),
    ...each((image, at) => push(2 + at, `Push Monolith ${sizes[at]} MB`, [{ image, push: pushWhole }], counts[at]!)),
    ...each((image, at) =>
      push(5 + at, `Push Chunk Streamed ${sizes[at]} MB`, [{ image, push: pushChunks }], counts[at]!)
    ),
    ...each((image, at) => pull(8 + at, `Pull ${sizes[at]} MB`, [{ image }], counts[at]! * 2)),
    pull(11, 'Pull Mixed 20/70/10 %', deal([small, 2], [medium, 7], [large, 1]), counts[1] * 2),
    push(12, 'Push Monolith Mixed 20/70/10 %', deal([small, 2], [medium, 7], [large, 1], pushWhole), counts[1]),
    push(13, 'Push Chunk Mixed, a third each', deal([small, 1], [medium, 1], [large, 1], pushChunks), counts[1]),
    ...each((image, at) => pull(14 + at, `Pull 75 % and Push 25 % ${sizes[at]} MB`, mixed(image), counts[at]!))
  ]

  function push(number: number, name: string, hand: readonly Operation[], count: number): Line {
    return line(`zb ${number} ${name}`, hand, count, pushTarget)
  }

  function pull(number: number, name: string, hand: readonly Operation[], count: number): Line {
    // Workload 14 moves as much by requests as by bytes.
    return line(`zb ${number} ${name}`, hand, count, number === 14 ? pushTarget : pullTarget)
  }

  function line(name: string, hand: readonly Operation[], count: number, target: Line['target']): Line {
    return {
      name,
      group: 'zb',
      unit: 'operations',
      target,
      written: bytesOf(hand, count),
      prepare: fill,
      round: (contender) => deck(contender, hand, count)
    }
  }
}

function bytesOf(hand: readonly Operation[], count: number): number {
  const pushes = hand.filter(({ push }) => push)
  return pushes.reduce((sum, { image }) => sum + image.layer.size, 0) * Math.ceil(count / hand.length)
}

async function deck(contender: Contender, hand: readonly Operation[], count: number) {
  const dealt = Array.from({ length: count }, (_, index) => ({
    ...hand[index % hand.length]!,
    repository: `bench/zb-${randomUUID()}`
  }))
  const authorizations = await Promise.all(
    dealt.map(({ repository, push }) => contender.authorize(push ? repository : pulled))
  )
  const operation = async (connection: Connection, index: number) => {
    const { image, push, repository } = dealt[index]!
    const authorization = authorizations[index]!
    if (push) await pushImage({ connection, repository, authorization }, image, 'v1', push)
    else await pullImage({ connection, repository: pulled, authorization }, image, tagOf(image))
    return 1
  }
  return () => applyLoad({ port: contender.port, connections, operations: count, operation })
}

function catalogLine(fill: (contender: Contender) => Promise<void>, count: number): Line {
  return {
    name: 'zb 1 Get Catalog',
    group: 'zb',
    unit: 'operations',
    target: pushTarget,
    async prepare(contender) {
      await fill(contender)
      const image = anImage(aBlob(1024))
      const repositories = Array.from({ length: 100 }, (_, index) => `bench/catalog-${index}`)
      const connection = await openConnection(contender.port)
      for (const repository of repositories) {
        await pushImage({ connection, repository, authorization: await contender.authorize(repository) }, image, 'v1')
      }
      connection.close()
    },
    async round(contender) {
      const headers = await contender.authorize('')
      const operation = async (connection: Connection) => {
        const { status } = await connection.send({ method: 'GET', path: '/v2/_catalog', headers })
        if (status !== 200) throw new Error(`GET /v2/_catalog answered ${status}`)
        return 1
      }
      return () => applyLoad({ port: contender.port, connections, operations: count, operation })
    }
  }
}

const filled = new Set<Contender>()

/** What is pulled, for all workloads once. */
async function fillImages(contender: Contender, images: readonly Image[]): Promise<void> {
  if (filled.has(contender)) return
  filled.add(contender)
  const connection = await openConnection(contender.port)
  const target = { connection, repository: pulled, authorization: await contender.authorize(pulled) }
  for (const image of images) await pushImage(target, image, tagOf(image))
  connection.close()
}

function tagOf({ layer }: Image): string {
  return `size-${layer.size}`
}

function deal(...hand: readonly ([Image, number] | Push)[]): readonly Operation[] {
  const push = hand.find((card) => typeof card === 'function')
  const cards = hand.filter((card) => typeof card !== 'function')
  return cards.flatMap(([image, count]) => Array.from({ length: count }, () => ({ image, push })))
}

function mixed(image: Image): readonly Operation[] {
  return [{ image }, { image }, { image }, { image, push: pushWhole }]
}
