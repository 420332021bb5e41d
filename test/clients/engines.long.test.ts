import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { helloMessage } from '../fixtures/demo-images.ts'
import { staticProgram } from '../fixtures/static-program.ts'
import { at, type Surroundings, skipClient } from './client.ts'
import { useSite } from './client-site.ts'
import { type Containerd, containerd, openContainerd } from './containerd.ts'
import { type Docker, docker, openDocker } from './docker.ts'

const site = useSite(['docker', 'containerd'])

suite('a Docker engine', { skip: skipClient(docker) }, () => {
  let engine: Docker
  let surroundings: Surroundings

  before(async () => {
    surroundings = await site.surroundings('docker')
    engine = await openDocker(surroundings)
    await engine.login(site.door('the door'), site.user('docker'))
  })
  after(() => engine?.stop())

  test('runs what it pulled through the door', async () => {
    const door = site.door('the door')

    await engine.pull(door, 'team/app:v1')
    const output = await engine.run(['run', '--rm', '--network=none', at(door, 'team/app:v1')])

    assert.equal(output, helloMessage)
  })

  test('builds an image and pushes it through the door; what comes back runs', async () => {
    const door = site.door('the door')
    const image = at(door, 'team/built:v1')
    const context = join(surroundings.folder, 'context')
    await mkdir(context)
    await writeFile(join(context, 'program'), staticProgram('amd64', 'built on site\n'), { mode: 0o755 })
    await writeFile(join(context, 'Dockerfile'), 'FROM scratch\nCOPY program /program\nCMD ["/program"]\n')

    await engine.run(['build', '--quiet', '--network=none', `--tag=${image}`, context])
    await engine.run(['push', '--quiet', image])
    await engine.run(['image', 'rm', image])
    await engine.pull(door, 'team/built:v1')

    assert.equal(await engine.run(['run', '--rm', '--network=none', image]), 'built on site\n')
  })
})

suite('containerd', { skip: skipClient(containerd) }, () => {
  let engine: Containerd

  before(async () => {
    engine = await openContainerd(await site.surroundings('containerd'))
    await engine.login(site.door('the door'), site.user('containerd'))
  })
  after(() => engine?.stop())

  test('runs what it pulled through the door', async () => {
    const door = site.door('the door')

    await engine.pull(door, 'team/app:v1')
    const output = await engine.run(['run', '--rm', at(door, 'team/app:v1'), 'hello'])

    assert.equal(output, helloMessage)
  })

  test('asks for several scopes at once where it pushes to another repository', async () => {
    const door = site.door('the door')
    const asked = scopesIn(await engine.pushRecorded(door, 'team/app:v1', 'team/moved:v1'))

    const names = asked.map((scopes) => new Set(scopes.map((scope) => scope.split(':')[1])))
    assert.ok(
      names.some((all) => all.has('team/app') && all.has('team/moved')),
      JSON.stringify(asked)
    )
    await engine.pull(door, 'team/moved:v1')
  })
})

/** The scopes of each request for an access token, whether by GET or as a form. */
function scopesIn(record: string): readonly (readonly string[])[] {
  const requests = record.matchAll(/(?:\/oauth2\/token\?|client_id=)[^\s"]+/g)
  return Array.from(requests, ([text]) =>
    new URLSearchParams(text).getAll('scope').flatMap((scope) => scope.split(' '))
  )
}
