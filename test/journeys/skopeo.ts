import { execFile } from 'node:child_process'
import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Digest, digestOf } from '../../modules/connected-registry/src/protocol/digest.ts'
import type { NameAndPassword, World } from '../simulators/world.ts'

const run = promisify(execFile)
const patienceMs = 60_000

/** skopeo at the device's door, trusting the device's own authority and nothing else. */
export interface Skopeo {
  /** As `skopeo login` does: an access token for nothing but being known. */
  login(): Promise<void>
  /** The digest of what a reference (`repository:tag` or `repository@digest`) names on site. */
  digest(reference: string): Promise<Digest>
  tags(repository: string): Promise<readonly string[]>
  /** Copies the whole of it into an OCI layout, which skopeo verifies. */
  pull(reference: string, layout: string): Promise<void>
  /** Tries to push an OCI layout to the site. */
  push(layout: string, reference: string): Promise<void>
  /** Deletes on site what a reference names, by its digest. */
  remove(reference: string): Promise<void>
  /** Copies from the site into the registry above, under another name or tag. */
  publish(reference: string, parentReference: string): Promise<void>
}

/** What skopeo printed when it failed. */
export class SkopeoError extends Error {
  override readonly name = 'SkopeoError'
}

/** Where `publish` pushes to, and as whom. */
export interface Above extends NameAndPassword {
  readonly host: string
}

export async function createSkopeo(world: World, folder: string, above: Above): Promise<Skopeo> {
  const certificates = join(folder, 'skopeo-certificates')
  await mkdir(certificates)
  await copyFile(world.caFile, join(certificates, 'ca.crt'))
  const credentials = `${world.clientToken.name}:${world.clientToken.password}`
  const at = (reference: string) => `docker://${new URL(world.proxyUrl).host}/${reference}`
  const door = (prefix = '') => [`--${prefix}cert-dir=${certificates}`, `--${prefix}creds=${credentials}`]

  async function skopeo(...words: readonly string[]): Promise<Buffer> {
    try {
      const { stdout } = await run('skopeo', words, { encoding: 'buffer', timeout: patienceMs, maxBuffer: 64 << 20 })
      return stdout
    } catch (error) {
      throw new SkopeoError(String((error as { stderr?: Buffer }).stderr ?? error), { cause: error })
    }
  }

  return {
    async login() {
      const file = `--authfile=${join(folder, 'login.json')}`
      const { name, password } = world.clientToken
      await skopeo('login', file, ...door('').slice(0, 1), '-u', name, '-p', password, new URL(world.proxyUrl).host)
    },
    digest: async (reference) => digestOf(await skopeo('inspect', '--raw', ...door(), at(reference))),
    async tags(repository) {
      const listing = JSON.parse((await skopeo('list-tags', ...door(), at(repository))).toString()) as {
        Tags: string[]
      }
      return listing.Tags
    },
    async pull(reference, layout) {
      await skopeo('copy', '--all', ...door('src-'), at(reference), `oci:${layout}`)
    },
    async push(layout, reference) {
      await skopeo('copy', '--all', ...door('dest-'), `oci:${layout}`, at(reference))
    },
    async remove(reference) {
      await skopeo('delete', ...door(), at(reference))
    },
    async publish(reference, parentReference) {
      const parent = [`--dest-creds=${above.name}:${above.password}`, '--dest-tls-verify=false']
      await skopeo(
        'copy',
        '--all',
        ...door('src-'),
        ...parent,
        at(reference),
        `docker://${above.host}/${parentReference}`
      )
    }
  }
}
