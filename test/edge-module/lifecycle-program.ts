import { runModule } from '@connected-registry/edge-module/lifecycle.ts'
import { createLog } from '@connected-registry/edge-module/log.ts'

// A module whose behaviour is its first argument; it says what it does on its IPC channel.

const [behaviour = '', drainTimeoutMs = '10000', restMs] = process.argv.slice(2)
const say = (text: string) => process.send?.(text)
const keepAlive = setInterval(() => undefined, 60_000)

runModule({
  name: 'example',
  log: createLog({ module: 'example' }),
  drainTimeoutMs: Number(drainTimeoutMs),
  restMs: restMs === undefined ? undefined : Number(restMs),
  async start() {
    if (behaviour === 'failsToStart') throw new TypeError('the port is taken')
    if (behaviour === 'startsSlowly') {
      say('starting')
      await new Promise((resolve) => process.once('message', resolve))
    }
    if (behaviour === 'throwsLater') setImmediate(() => JSON.parse('{'))
    if (behaviour === 'rejectsLater') setImmediate(() => void Promise.reject(new RangeError('nobody listens')))
    if (behaviour === 'reports') process.send?.({ report: process.report.getReport() })
    if (behaviour === 'leavesGarbage') leaveGarbage()
    say('started')
    // Behind everything that waits for the start.
    if (behaviour === 'saysItRuns') setImmediate(() => say('running'))
    return { stop }
  }
})

async function stop(): Promise<void> {
  say('draining')
  if (behaviour === 'hangsInStop') return new Promise(() => undefined)
  if (behaviour === 'failsToStop') throw new Error('the disk is full')
  // Drained when the test says so, so that a second signal certainly comes meanwhile.
  if (behaviour === 'drainsSlowly') await new Promise((resolve) => process.once('message', resolve))
  say('drained')
  // What is left open does not keep a stopped module alive.
  keepAlive.ref()
}

/** Says when the pages of it are given back. */
function leaveGarbage(): void {
  let garbage: string[] = []
  while (process.memoryUsage().heapTotal < 64 * 1024 * 1024) garbage.push(...Array.from({ length: 10_000 }, String))
  garbage = []
  const watch = setInterval(() => {
    if (process.memoryUsage().heapTotal > 32 * 1024 * 1024) return
    clearInterval(watch)
    say('given back')
  }, 10)
}
