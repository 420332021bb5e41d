import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rm, watch } from 'node:fs/promises'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createNetwork, skipWithoutNamespaces } from './network.ts'

const namespaces = '/run/netns'

async function isSkipped(t: TestContext): Promise<boolean> {
  const reason = await skipWithoutNamespaces()
  if (reason !== false) t.skip(reason)
  return reason !== false
}

test('a network that is removed leaves nothing behind', async (t) => {
  if (await isSkipped(t)) return
  const network = await createNetwork([
    { name: 'upper', host: 'upper.plant.example' },
    { name: 'lower', host: 'lower.plant.example', above: 'upper', ports: [8000] }
  ])
  const names = ['upper', 'lower', 'link-lower'].map(network.namespace)
  for (const name of names) assert.ok(existsSync(`${namespaces}/${name}`), name)

  await network.remove()

  for (const name of names) {
    assert.ok(!existsSync(`${namespaces}/${name}`), name)
    assert.ok(!existsSync(`/etc/netns/${name}`), name)
  }
})

test('where the test is killed, its namespaces go all the same', async (t) => {
  if (await isSkipped(t)) return
  const holder = fork(fileURLToPath(new URL('./network-holder.ts', import.meta.url)))
  t.after(() => holder.kill('SIGKILL'))
  const [names] = (await once(holder, 'message')) as [string[]]
  const changes = watch(namespaces, { signal: AbortSignal.timeout(60_000) })

  holder.kill('SIGKILL')

  for await (const _ of changes) {
    const left = await readdir(namespaces)
    if (!names.some((name) => left.includes(name))) break
  }
})

test('what is not ours, or is in use, is left alone; what a run has left behind goes before the next one', async (t) => {
  if (await isSkipped(t)) return
  // Process ids end at 4194304 (proc(5), pid_max).
  const left = '/etc/netns/registry-nested-4194305-0-layer3'
  const others = '/etc/netns/registry-of-somebody-else'
  await mkdir(left, { recursive: true })
  await mkdir(others, { recursive: true })
  t.after(() => rm(others, { recursive: true, force: true }))
  t.after(() => rm(left, { recursive: true, force: true }))

  const network = await createNetwork([{ name: 'alone', host: 'alone.plant.example' }])
  t.after(() => network.remove())

  assert.ok(!existsSync(left))
  assert.ok(existsSync(others))
})
