import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { demoApp, helloWorld } from '../fixtures/demo-images.ts'
import { startForeignRegistry } from '../fixtures/foreign-registry.ts'
import { passwordHash } from '../fixtures/password-hash.ts'
import { basicAuthorization, pushImage } from '../fixtures/push-image.ts'
import { requireTool } from '../fixtures/tools.ts'
import { connectionString } from '../simulators/world.ts'
import { demoRepositories, type Journey, startJourney } from './journey.ts'

/** What the parent shows, and the hand on the link to it. */
interface Above {
  digest(repository: string, tag: string): Promise<string | undefined>
  cut(): Promise<void>
  mend(): Promise<void>
}

const clientToken = { name: 'line-1', password: randomBytes(9).toString('base64url') }
const rights = ['content/read', 'content/write', 'content/delete', 'metadata/read']
const actions = rights.map((right) => `repositories/*/${right}`)

/** Clients of this site may write. */
function writingSite() {
  const clientTokens = [{ name: clientToken.name, passwords: [{ hash: passwordHash(clientToken.password) }], actions }]
  return { clientToken, repositories: demoRepositories, desired: { mode: 'ReadWrite', clientTokens } }
}

async function startBelowCloud(t: TestContext): Promise<readonly [Journey, Above] | undefined> {
  const journey = await startJourney(t, writingSite())
  if (!journey) return undefined
  const { cloud, syncToken } = journey.world
  cloud!.tokens.set({ ...syncToken, actions })
  const above: Above = {
    digest: async (repository, tag) => cloud!.contents.repository(repository)?.tags.get(tag)?.digest,
    cut: () => cloud!.stop(),
    mend: () => cloud!.start()
  }
  return [journey, above]
}

async function startBelowForeign(t: TestContext): Promise<readonly [Journey, Above] | undefined> {
  if (!requireTool(t, 'docker-registry')) return undefined
  const user = { name: 'siteregistry', password: randomBytes(12).toString('base64url') }
  const authorization = basicAuthorization(user.name, user.password)
  const foreign = await startForeignRegistry({ htpasswd: user, delete: true })
  t.after(() => foreign.stop())
  await pushImage(demoApp(), { url: foreign.url, repository: 'demo/app', tag: '1.0', authorization })
  await pushImage(helloWorld(), { url: foreign.url, repository: 'hello-world', tag: 'latest', authorization })
  const parent = connectionString(user, foreign.host)
  const journey = await startJourney(t, { ...writingSite(), parent, above: { ...user, host: foreign.host } })
  if (!journey) return undefined
  const above: Above = {
    async digest(repository, tag) {
      const accept = demoApp().manifest.descriptor.mediaType
      const url = new URL(`/v2/${repository}/manifests/${tag}`, foreign.url)
      const answer = await fetch(url, { method: 'HEAD', headers: { authorization, accept } })
      return answer.ok ? (answer.headers.get('docker-content-digest') ?? undefined) : undefined
    },
    cut: async () => foreign.freeze(),
    mend: async () => foreign.thaw()
  }
  return [journey, above]
}

for (const [kind, start] of Object.entries({ cloud: startBelowCloud, 'docker-registry': startBelowForeign }))
  test(`below ${kind}: what clients push, move and delete while the link is cut is above when it is back`, async (t) => {
    const started = await start(t)
    if (!started) return
    const [{ skopeo, round, folder }, above] = started
    const [app, hello] = [demoApp().manifest.descriptor.digest, helloWorld().manifest.descriptor.digest]
    const layouts = { app: join(folder, 'app:1.0'), hello: join(folder, 'hello:1.0') }
    await skopeo.pull('demo/app:1.0', layouts.app)
    await skopeo.pull('hello-world:latest', layouts.hello)

    await above.cut()
    await skopeo.push(layouts.hello, 'demo/app:2.0')
    await skopeo.push(layouts.app, 'demo/app:kept')
    await skopeo.push(layouts.hello, 'demo/app:1.0')
    await skopeo.remove('hello-world:latest')
    await above.mend()
    await round()

    for (const [tag, digest] of Object.entries({ '1.0': hello, '2.0': hello, kept: app })) {
      assert.equal(await skopeo.digest(`demo/app:${tag}`), digest)
      assert.equal(await above.digest('demo/app', tag), digest)
    }
    assert.deepEqual(await skopeo.tags('demo/app'), ['1.0', '2.0', 'kept'])
    assert.equal(await above.digest('hello-world', 'latest'), undefined)

    await skopeo.publish('demo/app:kept', 'demo/app:both')
    await skopeo.push(layouts.hello, 'demo/app:both')
    await round()

    const kept = (await skopeo.tags('demo/app')).find((tag) => tag.startsWith('both-conflict-'))
    assert.equal(await skopeo.digest('demo/app:both'), app, 'the parent wins')
    assert.equal(await skopeo.digest(`demo/app:${kept}`), hello)
    assert.equal(await above.digest('demo/app', kept!), hello)
    assert.equal(await above.digest('demo/app', 'both'), app)
  })
