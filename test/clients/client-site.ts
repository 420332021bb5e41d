import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { helloWorld } from '../fixtures/demo-images.ts'
import type { BuiltImage } from '../fixtures/image-builder.ts'
import { basicAuthorization, pushImage } from '../fixtures/push-image.ts'
import { allActions, openSite, type Site } from '../simulators/site.ts'
import type { Door, Surroundings, User } from './client.ts'

/**
 * A site in ReadWrite mode that holds `team/app:v1` (two platforms), its first image as `team/app:small`, and `other/app:v1`.
 * Each client has a token of its own, for `team/*`.
 */
export interface ClientSite {
  door(name: Door['name']): Door
  user(client: string): User
  /** A new folder for one client. */
  surroundings(client: string): Promise<Surroundings>
  /** What the operator sees under a reference. */
  manifest(reference: string): Promise<{ readonly status: number; readonly digest: string | null }>
  becomeReadOnly(): Promise<void>
}

export const doorNames = ['the door', 'the registry itself'] as const satisfies readonly Door['name'][]

/** ACR's texts, as far as a client shows them. */
export const refusedByMode = /This operation is not allowed on this registry/
export const refusedByScope = /insufficient scopes|denied|unauthorized|forbidden/i

const operator = { name: 'operator', password: 'the operator: all of it' }
const authorization = basicAuthorization(operator.name, operator.password)
const teamActions = ['content/read', 'content/write', 'metadata/read'].map((action) => `repositories/team/*/${action}`)

/** One site for all tests of a file. */
export function useSite(clients: readonly string[]): ClientSite {
  let folder: string
  let site: Site | undefined

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'clients-'))
    const tokens = clients.map((client) => ({ ...user(client), actions: teamActions }))
    site = await openSite({ folder, tokens: [{ ...operator, actions: allActions }, ...tokens] })
    await hold('team/app:v1', helloWorld())
    await hold('team/app:small', helloWorld().children[0]!)
    await hold('other/app:v1', helloWorld())
  })

  after(async () => {
    await site?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const user = (client: string) => ({ name: `${client}-token`, password: 'a password: with a colon' })

  async function hold(reference: string, image: BuiltImage): Promise<void> {
    const [repository = '', tag = ''] = reference.split(':')
    await pushImage(image, { url: site!.registryUrl, repository, tag, authorization })
  }

  return {
    user,
    door(name) {
      const url = new URL(name === 'the door' ? site!.httpsDoorUrl : site!.registryUrl)
      return { name, host: url.host, isPlain: url.protocol === 'http:' }
    },
    async surroundings(client) {
      const own = join(folder, client)
      await mkdir(own)
      return { folder: own, caFile: site!.caFile }
    },
    async manifest(reference) {
      const [repository, tag] = reference.split(':')
      const url = new URL(`/v2/${repository}/manifests/${tag}`, site!.registryUrl)
      const signal = AbortSignal.timeout(60_000)
      const { status, headers } = await fetch(url, { method: 'HEAD', headers: { authorization }, signal })
      return { status, digest: headers.get('docker-content-digest') }
    },
    becomeReadOnly: () => site!.use('ReadOnly')
  }
}
