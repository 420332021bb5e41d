import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { helloWorld } from '../fixtures/demo-images.ts'
import type { BuiltImage } from '../fixtures/image-builder.ts'
import { basicAuthorization, pushImage } from '../fixtures/push-image.ts'
import { skipWithout } from '../fixtures/tools.ts'
import { allActions, openSite, type Site } from '../simulators/site.ts'
import type { Client, ClientKind, Door, User } from './client.ts'

const operator = { name: 'operator', password: 'the operator: all of it' }
const password = 'a password: with a colon'
const teamActions = ['content/read', 'content/write', 'metadata/read'].map((action) => `repositories/team/*/${action}`)
const doorNames = ['the door', 'the registry itself'] as const

/** ACR's texts, as far as a client shows them. */
const refusedByMode = /This operation is not allowed on this registry/
const refusedByScope = /insufficient scopes|denied|unauthorized|forbidden/i

/**
 * What every client must be able to do with a client token, at the site's door (HTTPS) and at the registry itself (HTTP): log
 * in, pull, push what its scope map allows and nothing else, and nothing at all in ReadOnly mode. One site for all of them.
 */
export function clientContract(kinds: readonly ClientKind[], doors: readonly Door['name'][] = doorNames): void {
  let folder: string
  let site: Site
  const clients = new Map<string, Client>()

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'clients-'))
    const tokens = kinds.map(({ name }) => ({ ...userOf(name), actions: teamActions }))
    site = await openSite({ folder, tokens: [{ ...operator, actions: allActions }, ...tokens] })
    await hold(site, 'team/app:v1', helloWorld())
    await hold(site, 'team/app:small', helloWorld().children[0]!)
    await hold(site, 'other/app:v1', helloWorld())
  })

  after(async () => {
    await Promise.all([...clients.values()].map((client) => client.stop?.()))
    await site?.stop() // Undefined where it did not start.
    await rm(folder, { recursive: true, force: true })
  })

  for (const kind of kinds) {
    suite(`${kind.name}, ReadWrite mode`, { skip: skipWithout(kind.tools) }, () => {
      let client: Client

      before(async () => {
        const own = join(folder, kind.name)
        await mkdir(own)
        client = await kind.open({ folder: own, caFile: site.caFile })
        clients.set(kind.name, client)
      })

      test('a wrong password brings nothing', async () => {
        const door = doorOf(site, doors[0]!)
        const wrong = { ...userOf(kind.name), password: 'wrong' }

        const pull = client.login(door, wrong).then(() => client.pull(door, 'team/app:v1'))

        await assert.rejects(pull, /unauthorized|authentication required|401|denied|password/i)
      })

      for (const name of doors) {
        test(`logs in at ${name}, pulls, and pushes under another name`, async () => {
          const door = doorOf(site, name)
          const pushed = `team/${tagOf(kind.name)}:${tagOf(name)}`

          await client.login(door, userOf(kind.name))
          await client.pull(door, 'team/app:v1')
          await client.push(door, 'team/app:v1', pushed)

          await client.pull(door, pushed)
          const { status, digest } = await manifestOf(site, pushed)
          assert.equal(status, 200)
          if (kind.keepsBytes) assert.equal(digest, helloWorld().manifest.descriptor.digest)
        })

        test(`is refused other repositories at ${name}`, async () => {
          const door = doorOf(site, name)

          await client.pull(door, 'team/app:small') // regctl goes slower after each refusal, and there is one for each blob.
          await assert.rejects(client.pull(door, 'other/app:v1'), refusedByScope)
          await assert.rejects(client.push(door, 'team/app:small', 'other/app:pushed'), refusedByScope)

          assert.equal((await manifestOf(site, 'other/app:pushed')).status, 404)
        })
      }
    })
  }

  suite('in ReadOnly mode', () => {
    before(() => site.use('ReadOnly'))

    for (const kind of kinds) {
      for (const name of doors) {
        test(`${kind.name} pulls at ${name}, and is refused a push`, { skip: skipWithout(kind.tools) }, async () => {
          const door = doorOf(site, name)
          const client = clients.get(kind.name)!

          await client.pull(door, 'team/app:v1')
          const push = client.push(door, 'team/app:v1', 'team/app:refused')
          await assert.rejects(push, kind.refusal ?? refusedByMode)

          assert.equal((await manifestOf(site, 'team/app:refused')).status, 404)
        })
      }
    }
  })
}

function userOf(client: string): User {
  return { name: `${client}-token`, password }
}

function doorOf(site: Site, name: Door['name']): Door {
  const url = new URL(name === 'the door' ? site.httpsDoorUrl : site.registryUrl)
  return { name, host: url.host, isPlain: url.protocol === 'http:' }
}

function tagOf(name: string): string {
  return name.replaceAll(' ', '-')
}

const authorization = basicAuthorization(operator.name, operator.password)

async function hold(site: Site, reference: string, image: BuiltImage): Promise<void> {
  const [repository = '', tag = ''] = reference.split(':')
  await pushImage(image, { url: site.registryUrl, repository, tag, authorization })
}

async function manifestOf(site: Site, reference: string) {
  const [repository, tag] = reference.split(':')
  const url = new URL(`/v2/${repository}/manifests/${tag}`, site.registryUrl)
  const answer = await fetch(url, { method: 'HEAD', headers: { authorization }, signal: AbortSignal.timeout(10_000) })
  return { status: answer.status, digest: answer.headers.get('docker-content-digest') }
}
