import { readdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { openConnection } from './connection.ts'
import type { Contender } from './contenders.ts'
import type { Line, Scale } from './line.ts'
import { applyLoad } from './load.ts'
import { aBlob, type Blob, pushChunks, pushWhole, read, type Target, targetOf } from './registry-client.ts'

const repository = 'bench/blobs'
const mebibyte = 1024 * 1024

/** Large blobs, one at a time and several at once. */
export function blobLines(scale: Scale): readonly Line[] {
  return [
    pullLine(aBlob(scale.largeBytes), { connections: 1, pulls: 2 }),
    pullLine(aBlob(scale.mediumBytes), { connections: 8, pulls: 24 })
  ]
}

function pullLine(blob: Blob, { connections, pulls }: { connections: number; pulls: number }): Line {
  return {
    name: `blob GET ${sizeText(blob.size)}, ${connections} connection${connections > 1 ? 's' : ''}`,
    group: 'blobs',
    unit: 'MiB',
    target: { speed: 1.2, cpu: 0.9 },
    prepare: (contender) => withConnection(contender, (target) => pushWhole(target, blob)),
    async round(contender) {
      const authorization = await contender.authorize(repository)
      return () =>
        applyLoad({
          port: contender.port,
          connections,
          operations: pulls,
          operation: async (connection) =>
            (await read({ connection, repository, authorization }, 'GET', `blobs/${blob.digest}`)) / mebibyte
        })
    }
  }
}

/** Each round pushes content that was never there; what it left on the disk is removed after it. */
export function pushLines({ largeBytes, chunkBytes }: Scale): readonly Line[] {
  const size = sizeText(largeBytes)
  return [
    pushLine(`blob push ${size}, monolithic`, pushWhole),
    pushLine(`blob push ${size}, chunks of ${sizeText(chunkBytes)}`, (target, blob) =>
      pushChunks(target, blob, chunkBytes)
    )
  ]

  function pushLine(name: string, push: (target: Target, blob: Blob) => Promise<void>): Line {
    const pushed: string[] = []
    const clean = ({ folder }: Contender) => removeBlobs(folder, pushed.splice(0))
    const newBlob = () => {
      const blob = aBlob(largeBytes)
      pushed.push(blob.digest)
      return blob
    }
    return {
      name,
      group: 'pushes',
      unit: 'MiB',
      target: { speed: 2, cpu: 0.6 },
      written: largeBytes,
      clean,
      // Unmeasured: the first one also pays for warming up.
      async prepare(contender) {
        await withConnection(contender, (target) => push(target, newBlob()))
        await clean(contender)
      },
      async round(contender) {
        const blob = newBlob()
        const authorization = await contender.authorize(repository)
        return () =>
          applyLoad({
            port: contender.port,
            connections: 1,
            operations: 1,
            operation: async (connection) => {
              await push({ connection, repository, authorization }, blob)
              return blob.size / mebibyte
            }
          })
      }
    }
  }
}

async function withConnection(contender: Contender, work: (target: Target) => Promise<void>): Promise<void> {
  const connection = await openConnection(contender.port)
  await work(await targetOf(contender, connection, repository)).finally(() => connection.close())
}

/** Behind the registry's back, which is not asked for them again. Each keeps a blob in a file or folder named by its hash. */
export async function removeBlobs(folder: string, digests: readonly string[]): Promise<void> {
  const hashes = digests.map((digest) => digest.slice(digest.indexOf(':') + 1))
  for (const name of await readdir(folder, { recursive: true })) {
    if (name.includes('blobs/sha256/') && hashes.includes(basename(name))) {
      await rm(join(folder, name), { recursive: true })
    }
  }
}

export function sizeText(bytes: number): string {
  return bytes >= 1024 * mebibyte ? `${bytes / 1024 / mebibyte} GiB` : `${bytes / mebibyte} MiB`
}
