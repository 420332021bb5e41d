import { type ChildProcess, fork } from 'node:child_process'
import { on } from 'node:events'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { anImage } from '../../test/fixtures/image-builder.ts'
import { passwordHash } from '../../test/fixtures/password-hash.ts'
import { basicAuthorization, pushImage } from '../../test/fixtures/push-image.ts'
import type { ModuleProcess } from '../../test/simulators/module-process.ts'
import { benchUser, ours } from './contenders.ts'
import type { Fact } from './fact.ts'
import type { Scale } from './line.ts'
import { createOurModule } from './our-module.ts'
import { cpuSeconds, memoryOf } from './processes.ts'
import type { Waiting } from './programs/wait-as-children.ts'

const repository = 'bench/app'
const settleMs = 1000

/** One parent, and so many children that wait for its messages: what they cost while nothing happens, and when all are woken. */
export async function measureChildren(folder: string, { children }: Scale): Promise<readonly Fact[]> {
  const facts: Fact[] = []
  for (const count of children.counts) {
    facts.push(...(await measureCount(join(folder, `children-${count}`), count, children)))
  }
  return facts
}

async function measureCount(folder: string, count: number, { quietMs, cycleMs }: Scale['children']) {
  const { module, port } = await startParent(folder, count)
  const pid = module.pid ?? 0
  const alone = memoryOf(pid).now
  const waiting = startChildren({ port, count, password: benchUser.password })
  try {
    await waiting.all()
    const awake = await cpuOf(pid, async () => {
      const woken = waiting.all()
      await pushImage(anImage({ seed: `${count}` }), {
        url: `http://127.0.0.1:${port}`,
        repository,
        tag: 'new',
        authorization
      })
      await woken
      await pause(settleMs)
    })
    const began = performance.now()
    const quiet = await cpuOf(pid, () => pause(quietMs))
    const rest = await cpuOf(pid, () => pause(cycleMs - (performance.now() - began)))
    const { now } = memoryOf(pid)
    return [
      factOf(`${count} children wait, ${quietMs / 1000} s amid a wait`, 'ms of CPU', quiet),
      factOf(`  ${cycleMs / 1000} s, in which each asks again`, 'ms of CPU', quiet + rest),
      factOf('  a push that wakes all, for each of them', 'ms of CPU', awake / count),
      factOf('  memory', 'MiB', now),
      factOf('  memory before they came', 'MiB', alone)
    ]
  } finally {
    waiting.stop()
    await module.stop()
  }
}

const authorization = basicAuthorization(benchUser.name, benchUser.password)

async function startParent(folder: string, count: number): Promise<{ module: ModuleProcess; port: number }> {
  // Cheap ones: what is measured here is no login.
  const passwords = [{ hash: passwordHash(benchUser.password, 12) }]
  const actions = ['content/read', 'content/write'].map((action) => `repositories/*/${action}`)
  const children = Array.from({ length: count }, (_, at) => ({
    name: `child-${at}`,
    repositories: [repository],
    syncToken: { name: `child-${at}`, passwords }
  }))
  const clientTokens = [{ name: benchUser.name, passwords, actions }]
  const settings = { mode: 'ReadWrite', repositories: [repository], clientTokens, children }
  const { module, port } = await createOurModule({ folder, settings })
  await module.start()
  await pause(settleMs)
  return { module, port }
}

function startChildren(waiting: Waiting) {
  const program = new URL('./programs/wait-as-children.ts', import.meta.url)
  const child: ChildProcess = fork(program, [JSON.stringify(waiting)])
  return {
    /** Resolves when all wait, of those who were answered since again. */
    async all() {
      const signal = AbortSignal.timeout(120_000)
      for await (const [said] of on(child, 'message', { signal })) if (said === 'all wait') return
    },
    stop: () => void child.kill()
  }
}

async function cpuOf(pid: number, work: () => Promise<unknown>): Promise<number> {
  const before = cpuSeconds(pid)
  await work()
  return (cpuSeconds(pid) - before) * 1000
}

function factOf(work: string, unit: string, value: number): Fact {
  return { work, unit, values: { [ours]: value } }
}
