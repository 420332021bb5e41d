import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { helloWorld } from '../fixtures/demo-images.ts'
import { type Client, type ClientKind, skipClient } from './client.ts'
import { doorNames, refusedByMode, refusedByScope, useSite } from './client-site.ts'

/**
 * What every client must be able to do with a client token, at the site's door (HTTPS) and at the registry itself (HTTP): log
 * in, pull, push what its scope map allows and nothing else, and nothing at all in ReadOnly mode. One site for all of them.
 */
export function clientContract(kinds: readonly ClientKind[]): void {
  const clients = new Map<ClientKind, Client>()
  after(() => Promise.all([...clients.values()].map((client) => client.stop?.())))
  const site = useSite(kinds.map(({ name }) => name))

  for (const kind of kinds) {
    suite(`${kind.name}, ReadWrite mode`, { skip: skipClient(kind) }, () => {
      let client: Client

      before(async () => {
        client = await kind.open(await site.surroundings(kind.name))
        clients.set(kind, client)
      })

      test('a wrong password brings nothing', async () => {
        const door = site.door('the door')
        const wrong = { ...site.user(kind.name), password: 'wrong' }

        const pull = client.login(door, wrong).then(() => client.pull(door, 'team/app:v1'))

        await assert.rejects(pull, /unauthorized|authentication required|401|denied|password/i)
      })

      for (const name of doorNames) {
        test(`logs in at ${name}, pulls, and pushes under another name`, async () => {
          const door = site.door(name)
          const pushed = `team/${kind.name}:${name.replaceAll(' ', '-')}`

          await client.login(door, site.user(kind.name))
          await client.pull(door, 'team/app:v1')
          await client.push(door, 'team/app:v1', pushed)

          await client.pull(door, pushed)
          const { status, digest } = await site.manifest(pushed)
          assert.equal(status, 200)
          if (kind.keepsBytes) assert.equal(digest, helloWorld().manifest.descriptor.digest)
        })

        test(`is refused other repositories at ${name}`, async () => {
          const door = site.door(name)

          await client.pull(door, 'team/app:small') // regctl goes slower after each refusal, and there is one for each blob.
          await assert.rejects(client.pull(door, 'other/app:v1'), refusedByScope)
          await assert.rejects(client.push(door, 'team/app:small', 'other/app:pushed'), refusedByScope)

          assert.equal((await site.manifest('other/app:pushed')).status, 404)
        })
      }
    })
  }

  suite('in ReadOnly mode', () => {
    before(() => site.becomeReadOnly())

    for (const kind of kinds) {
      for (const name of doorNames) {
        test(`${kind.name} pulls at ${name}, and is refused a push`, { skip: skipClient(kind) }, async () => {
          const door = site.door(name)
          const client = clients.get(kind)!

          await client.pull(door, 'team/app:v1')
          const push = client.push(door, 'team/app:v1', 'team/app:refused')
          await assert.rejects(push, kind.refusal ?? refusedByMode)

          assert.equal((await site.manifest('team/app:refused')).status, 404)
        })
      }
    }
  })
}
