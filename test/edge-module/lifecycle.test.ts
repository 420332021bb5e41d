import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { imageEnvironment } from '../simulators/module-process.ts'

const program = new URL('./lifecycle-program.ts', import.meta.url).pathname

interface Example {
  readonly child: ChildProcess
  readonly signal: AbortSignal
  /** What it said, in order. */
  readonly said: readonly unknown[]
  says(text: string): Promise<void>
  /** Its exit code and the lines of its log. */
  end(): Promise<{ code: number; lines: readonly Record<string, unknown>[] }>
}

function anExample(t: TestContext, ...behaviour: string[]): Example {
  return anExampleWith(t, {}, behaviour)
}

function anExampleWith(t: TestContext, variables: NodeJS.ProcessEnv, behaviour: readonly string[]): Example {
  const signal = AbortSignal.any([t.signal, AbortSignal.timeout(60_000)])
  const env = { ...process.env, ...variables }
  const child = fork(program, behaviour, { env, stdio: ['ignore', 'pipe', 'inherit', 'ipc'], execArgv: [] })
  t.after(() => child.kill('SIGKILL'))
  const said: unknown[] = []
  child.on('message', (message) => said.push(message))
  const output = text(child.stdout!)
  const exited = once(child, 'exit', { signal })
  return {
    child,
    signal,
    said,
    async says(text) {
      while (!said.includes(text)) await once(child, 'message', { signal })
    },
    async end() {
      const [code] = (await exited) as [number]
      const lines = (await output).split('\n').filter((line) => line !== '')
      return { code, lines: lines.map((line) => JSON.parse(line)) }
    }
  }
}

for (const name of ['SIGTERM', 'SIGINT'] as const)
  test(`${name} drains the module, then the process ends with code 0`, async (t) => {
    const { child, says, said, end } = anExample(t)
    await says('started')

    child.kill(name)

    const { code, lines } = await end()
    assert.equal(code, 0)
    assert.deepEqual(said, ['started', 'draining', 'drained'])
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ['example stopping', 'example stopped']
    )
  })

test('a second signal does not drain again', async (t) => {
  const { child, says, said, end } = anExample(t, 'drainsSlowly')
  await says('started')
  child.kill('SIGTERM')
  await says('draining')

  child.kill('SIGTERM')
  child.kill('SIGINT')
  child.send('go on')

  assert.equal((await end()).code, 0)
  assert.deepEqual(said, ['started', 'draining', 'drained'])
})

test('a signal during the start stops the module as soon as it has started', async (t) => {
  const { child, says, said, end } = anExample(t, 'startsSlowly')
  await says('starting')

  child.kill('SIGTERM')
  child.send('go on')

  assert.equal((await end()).code, 0)
  assert.deepEqual(said, ['starting', 'started', 'draining', 'drained'])
})

for (const [behaviour, why] of [
  ['hangsInStop', /drain: no answer within 50 ms/],
  ['failsToStop', /the disk is full/]
] as const)
  test(`a module that ${behaviour} ends with code 1 and says why`, async (t) => {
    const { child, says, end } = anExample(t, behaviour, '50')
    await says('started')

    child.kill('SIGTERM')

    const { code, lines } = await end()
    assert.equal(code, 1)
    assert.match(messageOf(lines.at(-1)), why)
    assert.equal(lines.at(-1)?.level, 'error')
  })

for (const [behaviour, type, why] of [
  ['failsToStart', 'TypeError', /the port is taken/],
  ['throwsLater', 'SyntaxError', /JSON/],
  ['rejectsLater', 'RangeError', /nobody listens/]
] as const)
  test(`a module that ${behaviour} logs the ${type} and ends with code 1`, async (t) => {
    const { end } = anExample(t, behaviour)

    const { code, lines } = await end()

    assert.equal(code, 1)
    assert.match(messageOf(lines.at(-1)), why)
    assert.match(JSON.stringify(lines.at(-1)), new RegExp(type))
  })

function messageOf(line: Record<string, unknown> | undefined): string {
  return String((line?.err as { message?: string } | undefined)?.message)
}

test("a report of Node's does not hold the environment", async (t) => {
  const { child, says, said, end } = anExample(t, 'reports')
  await says('started')
  child.kill('SIGTERM')
  await end()

  const [told] = said as [{ report: Record<string, unknown> }]
  assert.ok(told.report.header)
  assert.equal(told.report.environmentVariables, undefined)
})

test('what was compiled is kept as soon as the module has started, however it ends', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'compiled-'))
  t.after(() => rm(folder, { recursive: true }))
  const example = anExampleWith(t, { NODE_COMPILE_CACHE: folder }, ['saysItRuns'])

  await example.says('running')
  example.child.kill('SIGKILL')
  await example.end()

  const kept = await readdir(folder, { recursive: true, withFileTypes: true })
  assert.ok(kept.some((entry) => entry.isFile()))
})

test('a module at rest gives back the memory of what it has done', async (t) => {
  const { says, child, end } = anExampleWith(t, { NODE_OPTIONS: imageEnvironment.NODE_OPTIONS }, [
    'leavesGarbage',
    '10000',
    '20'
  ])

  await says('given back')

  child.kill('SIGTERM')
  assert.equal((await end()).code, 0)
})
