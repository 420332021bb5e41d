import assert from 'node:assert/strict'
import { before, suite, test } from 'node:test'
import { helloWorld } from '../fixtures/demo-images.ts'
import { skipWithout } from '../fixtures/tools.ts'
import { doorNames, refusedByMode, refusedByScope, useSite } from './client-site.ts'
import { cosign, notation, type Signer, type SignerKind } from './signers.ts'

const kinds: readonly SignerKind[] = [cosign, notation]
const signers = new Map<SignerKind, Signer>()
const { digest } = helloWorld().manifest.descriptor
const unsigned = helloWorld().children[0]!.manifest.descriptor.digest
const site = useSite(kinds.map(({ name }) => name))

for (const kind of kinds) {
  suite(`${kind.name}, ReadWrite mode`, { skip: skipWithout(kind.tools) }, () => {
    let signer: Signer

    before(async () => {
      signer = await kind.open(await site.surroundings(kind.name))
      signers.set(kind, signer)
    })

    for (const name of doorNames) {
      test(`signs an image at ${name}, and finds its signature there`, async () => {
        const door = site.door(name)

        await signer.login(door, site.user(kind.name))
        await signer.sign(door, `team/app@${digest}`)

        await signer.verify(door, `team/app@${digest}`)
        await assert.rejects(signer.verify(door, `team/app@${unsigned}`), /no signature|no matching signatures/i)
      })

      test(`is refused a signature in other repositories at ${name}`, async () => {
        await assert.rejects(signer.sign(site.door(name), `other/app@${digest}`), refusedByScope)
      })
    }
  })
}

suite('in ReadOnly mode', () => {
  before(() => site.becomeReadOnly())

  for (const kind of kinds) {
    for (const name of doorNames) {
      test(`${kind.name} verifies at ${name}, and is refused a signature`, {
        skip: skipWithout(kind.tools)
      }, async () => {
        const signer = signers.get(kind)!
        const door = site.door(name)

        await signer.verify(door, `team/app@${digest}`)
        await assert.rejects(signer.sign(door, `team/app@${unsigned}`), refusedByMode)
      })
    }
  }
})
