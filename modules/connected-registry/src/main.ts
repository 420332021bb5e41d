import { readEdgeEnvironment } from '@connected-registry/edge-module/env.ts'
import { runModule } from '@connected-registry/edge-module/lifecycle.ts'
import { createLog } from '@connected-registry/edge-module/log.ts'
import { startApp } from './app.ts'
import { readConfig } from './config.ts'
import { maintain } from './maintenance.ts'

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
    start: async () => startApp({ config: readConfig(), edge: readEdgeEnvironment(), log })
  })
}

async function runCommand(name: string): Promise<void> {
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
