import { type Connection, headerOf, openConnection } from './connection.ts'
import { type Contender, ours } from './contenders.ts'
import type { Fact } from './fact.ts'
import type { Scale } from './line.ts'
import { applyLoad, percentile } from './load.ts'
import { aBlob, anImage, pushImage, pushManifest } from './registry-client.ts'

const repository = 'bench/many-tags'
const probes = 100
const image = anImage(aBlob(1024))

/**
 * One repository with very many tags: what one more costs, what it takes to see them all, and to start with them. This
 * registry alone: the others keep files for each tag, and would be filling for most of the run.
 */
export async function measureManyTags(contenders: readonly Contender[], { manyTags }: Scale): Promise<readonly Fact[]> {
  const values: Record<'few' | 'many' | 'pages' | 'start', Record<string, number>> = {
    few: {},
    many: {},
    pages: {},
    start: {}
  }
  for (const contender of contenders.filter(({ name }) => name === ours)) {
    const { name } = contender
    values.few[name] = await addTags(contender, 'few', probes, 1)
    await addTags(contender, 'v1', manyTags, 32)
    values.many[name] = await addTags(contender, 'more', probes, 1)
    values.pages[name] = await pageThrough(contender)
    values.start[name] = await contender.restart()
  }
  return [
    { work: 'add a tag to a repository of none', unit: 'ms', values: values.few },
    { work: `add a tag to a repository of ${manyTags}`, unit: 'ms', values: values.many, limit: 2 * values.few[ours]! },
    { work: `page through ${manyTags} tags, 1000 at a time`, unit: 's', values: values.pages },
    { work: `cold start with ${manyTags} tags`, unit: 'ms', values: values.start, limit: 1000 }
  ]
}

/** Resolves to the median of the milliseconds that one takes. */
async function addTags(contender: Contender, prefix: string, count: number, connections: number): Promise<number> {
  const authorization = await contender.authorize(repository)
  const first = await openConnection(contender.port)
  await pushImage({ connection: first, repository, authorization }, image, 'first')
  first.close()
  const { latencies } = await applyLoad({
    port: contender.port,
    connections,
    operations: count,
    operation: async (connection, index) => {
      await pushManifest({ connection, repository, authorization }, image, `${prefix}.${index}`)
      return 1
    }
  })
  return percentile(latencies, 0.5)
}

/** Resolves to the seconds that all pages take. */
async function pageThrough(contender: Contender): Promise<number> {
  const headers = await contender.authorize(repository)
  const operation = async (connection: Connection) => {
    for (let path: string | undefined = `/v2/${repository}/tags/list?n=1000`; path !== undefined; ) {
      const { status, head } = await connection.send({ method: 'GET', path, headers })
      if (status !== 200) throw new Error(`GET ${path} answered ${status}`)
      path = /^<([^>]+)>/.exec(headerOf(head, 'link') ?? '')?.[1]
    }
    return 1
  }
  const { seconds } = await applyLoad({ port: contender.port, connections: 1, operations: 1, operation })
  return seconds
}
