import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { certificateFromFiles, watchServerCertificate } from '@connected-registry/edge-module/tls.ts'
import type { ServerCertificate } from '@connected-registry/edge-module/workload.ts'
import { createCertificateAuthority } from '../simulators/edge-hub/certificates.ts'
import { recordedLog } from './edge-device.ts'

const certificates = await createCertificateAuthority()
const day = 24 * 3_600_000

/** A clock that jumps from timer to timer, and a source that answers from a script. */
function aWatch(t: TestContext, answers: (ServerCertificate | Error)[]) {
  let nowMs = Date.now()
  let timer: { run: () => void; delayMs: number } | undefined
  let scheduled = Promise.withResolvers<void>()
  const taken: ServerCertificate[] = []
  const problems: (string | undefined)[] = []
  const log = recordedLog()
  let loads = 0
  const watch = watchServerCertificate({
    log: log.log,
    now: () => nowMs,
    setTimer(run, delayMs) {
      timer = { run, delayMs }
      scheduled.resolve()
      return () => {
        timer = undefined
      }
    },
    onCertificate: (certificate) => taken.push(certificate),
    onProblem: (problem) => problems.push(problem),
    async load() {
      loads++
      const answer = answers.length > 1 ? answers.shift()! : answers[0]!
      if (answer instanceof Error) throw answer
      return answer
    }
  })
  t.after(() => watch.stop())
  return {
    taken,
    problems,
    log,
    watch,
    loads: () => loads,
    isScheduled: () => timer !== undefined,
    /** The delay of the timer that comes next. */
    async nextDelay(): Promise<number> {
      await scheduled.promise
      return timer!.delayMs
    },
    /** Lets timers elapse until the source is asked once more. */
    async renew(): Promise<void> {
      const before = loads
      while (loads === before) await this.elapse()
    },
    async elapse(): Promise<void> {
      await scheduled.promise
      const { run, delayMs } = timer!
      scheduled = Promise.withResolvers<void>()
      nowMs += delayMs
      run()
    }
  }
}

test('a certificate is renewed at two thirds of its life', async (t) => {
  const [first, second] = await Promise.all([
    certificates.issue({ names: ['a'], lifeMs: 90 * day }),
    certificates.issue({ names: ['a'], lifeMs: 400 * day })
  ])
  const { taken, loads, ...clock } = aWatch(t, [first, second])

  let waitedMs = 0
  while (loads() < 2) {
    waitedMs += await clock.nextDelay()
    await clock.elapse()
  }
  await clock.nextDelay()

  assert.deepEqual(taken, [first, second])
  assert.ok(Math.abs(waitedMs - 60 * day) < 60_000, `renewed after ${waitedMs / day} days`)
})

test('no timer is longer than the platform can hold', async (t) => {
  const clock = aWatch(t, [await certificates.issue({ names: ['a'], lifeMs: 3_000 * day })])

  assert.ok((await clock.nextDelay()) < 2 ** 31)
})

test('a source that is not there yet is asked again, with growing waits of at most five minutes', async (t) => {
  const certificate = await certificates.issue({ names: ['a'] })
  const failures = Array.from({ length: 12 }, () => new Error('not yet'))
  const { taken, log, ...clock } = aWatch(t, [...failures, certificate])

  const delays: number[] = []
  while (taken.length === 0) {
    delays.push(await clock.nextDelay())
    await clock.elapse()
    await clock.nextDelay()
  }

  assert.ok(delays[0]! <= 1_000)
  assert.ok(delays.at(-1)! > 100_000 && Math.max(...delays) <= 300_000)
  assert.equal(log.lines.filter(({ level }) => level === 'warn').length, 12)
})

test('the old certificate stays in use while its renewal fails', async (t) => {
  const first = await certificates.issue({ names: ['a'], lifeMs: 3 * 3_600_000 })
  const second = await certificates.issue({ names: ['a'], lifeMs: 90 * day })
  const { taken, ...clock } = aWatch(t, [first, new Error('down'), new Error('down'), second])

  for (let renewal = 0; renewal < 2; renewal++) await clock.renew()
  await clock.nextDelay()
  assert.deepEqual(taken, [first])
  await clock.elapse()
  await clock.nextDelay()

  assert.deepEqual(taken, [first, second])
})

test('a file that was not replaced in time is read again, and told only when it changed', async (t) => {
  const first = await certificates.issue({ names: ['a'], lifeMs: 3_600_000 })
  const second = await certificates.issue({ names: ['a'], lifeMs: 90 * day })
  const { taken, ...clock } = aWatch(t, [first, first, first, second])

  for (let reading = 0; reading < 3; reading++) await clock.renew()
  await clock.nextDelay()

  assert.deepEqual(taken, [first, second])
})

test('a certificate that cannot be used counts as not obtained', async (t) => {
  const good = await certificates.issue({ names: ['a'] })
  const { taken, ...clock } = aWatch(t, [{ ...good, certificate: 'rubbish' }, good])

  await clock.elapse()
  await clock.nextDelay()

  assert.deepEqual(taken, [good])
})

test('a certificate that is over is shown where there is no other one, and said to be over', async (t) => {
  const over = await certificates.issue({ names: ['a'], lifeMs: -day })
  const good = await certificates.issue({ names: ['a'] })
  const { taken, problems, ...clock } = aWatch(t, [over, good])

  await clock.nextDelay()
  assert.deepEqual(taken, [over])
  assert.match(problems.join(), /^the certificate expired at 20\d\d-/)
  await clock.elapse()
  await clock.nextDelay()

  assert.deepEqual([taken, problems.at(-1)], [[over, good], undefined])
})

test('a certificate that is over does not take the place of one that is not', async (t) => {
  const good = await certificates.issue({ names: ['a'], lifeMs: 600_000 })
  const over = await certificates.issue({ names: ['a'], lifeMs: -day })
  const better = await certificates.issue({ names: ['a'] })
  const { taken, problems, ...clock } = aWatch(t, [good, over, better])

  await clock.elapse()
  await clock.nextDelay()
  assert.deepEqual(taken, [good])
  assert.match(problems.at(-1) ?? '', /expired/)
  await clock.elapse()
  await clock.nextDelay()

  assert.deepEqual([taken, problems.at(-1)], [[good, better], undefined])
})

test('what is said of the end of a certificate does not outlast the certificate itself', async (t) => {
  const issued = await certificates.issue({ names: ['a'], lifeMs: 3 * 60_000 })
  const clock = aWatch(t, [{ ...issued, expiration: new Date(Date.now() + 90 * day) }])

  assert.ok((await clock.nextDelay()) <= 2 * 60_000)
})

test('a stopped watch has no timer left', async (t) => {
  const { watch, ...clock } = aWatch(t, [await certificates.issue({ names: ['a'] })])
  await clock.nextDelay()

  watch.stop()

  assert.equal(clock.isScheduled(), false)
})

test('a certificate is read from tls.crt and tls.key', async (t) => {
  const folder = await aFolder(t)
  const { certificate, privateKey, expiration } = await certificates.issue({ names: ['a'] })
  await writeFile(join(folder, 'tls.crt'), certificate)
  await writeFile(join(folder, 'tls.key'), privateKey)

  assert.deepEqual(await certificateFromFiles(folder)(), { certificate, privateKey, expiration })
})

test('a key of another certificate is refused', async (t) => {
  const folder = await aFolder(t)
  await writeFile(join(folder, 'tls.crt'), (await certificates.issue({ names: ['a'] })).certificate)
  await writeFile(join(folder, 'tls.key'), (await certificates.issue({ names: ['a'] })).privateKey)

  await assert.rejects(certificateFromFiles(folder)(), /tls\.key is not of tls\.crt/)
})

async function aFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tls-'))
  t.after(() => rm(folder, { recursive: true }))
  return folder
}
