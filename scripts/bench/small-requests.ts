import { type Connection, openConnection } from './connection.ts'
import type { Contender } from './contenders.ts'
import type { Line, Scale } from './line.ts'
import { applyLoad } from './load.ts'
import { aBlob, anImage, pushImage, pushManifest, read, targetOf } from './registry-client.ts'

const repository = 'bench/small'
const connections = 32
const atLeastTen = { speed: 10 }
const image = anImage(aBlob(64 * 1024))

/** What a site's devices ask for all day: has the tag moved, and is the blob there. */
export function smallRequestLines(scale: Scale): readonly Line[] {
  const paths = {
    manifest: 'manifests/latest',
    byDigest: `manifests/${image.manifest.digest}`,
    blob: `blobs/${image.layer.digest}`
  }
  return [
    line('manifest GET by tag', 'GET', paths.manifest),
    line('manifest GET by digest', 'GET', paths.byDigest),
    line('manifest HEAD by tag', 'HEAD', paths.manifest),
    line('blob HEAD', 'HEAD', paths.blob),
    {
      ...line(`tags/list of ${scale.tags} tags`, 'GET', 'tags/list', tagged),
      group: 'tags',
      prepare: (contender) => fillTags(contender, scale.tags)
    }
  ]

  function line(name: string, method: 'GET' | 'HEAD', path: string, from = repository): Line {
    const load = async ({ port, authorize }: Contender, milliseconds: number) => {
      const authorization = await authorize(from)
      const operation = async (connection: Connection) => {
        await read({ connection, repository: from, authorization }, method, path)
        return 1
      }
      return () => applyLoad({ port, connections, milliseconds, operation })
    }
    return {
      name: `${name}, ${connections} connections`,
      group: 'manifests',
      unit: 'requests',
      target: atLeastTen,
      async prepare(contender) {
        await fill(contender)
        const warmUp = await load(contender, scale.requestMs / 2)
        await warmUp()
      },
      round: (contender) => load(contender, scale.requestMs)
    }
  }
}

const tagged = 'bench/tagged'

async function fill(contender: Contender): Promise<void> {
  const connection = await openConnection(contender.port)
  await pushImage(await targetOf(contender, connection, repository), image, 'latest')
  connection.close()
}

async function fillTags(contender: Contender, count: number): Promise<void> {
  const { port } = contender
  const authorization = await contender.authorize(tagged)
  const first = await openConnection(port)
  await pushImage({ connection: first, repository: tagged, authorization }, image, 'latest')
  first.close()
  await applyLoad({
    port,
    connections: 4,
    operations: count - 1,
    operation: async (connection, index) => {
      await pushManifest({ connection, repository: tagged, authorization }, image, `v1.0.${index}`)
      return 1
    }
  })
}
