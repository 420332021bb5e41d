import { readEdgeEnvironment } from '@connected-registry/edge-module/env.ts'
import { runModule } from '@connected-registry/edge-module/lifecycle.ts'
import { load } from '@connected-registry/edge-module/loading.ts'
import { createLog } from '@connected-registry/edge-module/log.ts'

// main.ts                        the module
// main.ts fsck | scrub           work on a store that no module has open
// main.ts password-hash | help   need none

const [command, ...commandArguments] = process.argv.slice(2)

if (command === undefined) run()
else await runCommand(command)

function run(): void {
  const log = createLog({ module: 'connected-registry' })
  runModule({
    name: 'connected-registry',
    log,
    // More than the drain itself takes (`app.ts`), and less than the runtime waits (`StopTimeout` in deployments).
    drainTimeoutMs: 40_000,
    async start() {
      const [{ startApp }, { readConfig }] = await load(() => Promise.all([import('./app.ts'), import('./config.ts')]))
      return startApp({ config: readConfig(), edge: readEdgeEnvironment(), log })
    }
  })
}

async function runCommand(name: string): Promise<void> {
  const [{ maintain }, { readConfig }] = await Promise.all([import('./maintenance.ts'), import('./config.ts')])
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  process.exitCode = await maintain(name, {
    arguments: commandArguments,
    dataVolume: readConfig().dataVolume,
    input: process.stdin,
    prompt: (text) => process.stderr.write(text),
    print: (text) => process.stdout.write(text),
    signal: stop.signal
  })
}
