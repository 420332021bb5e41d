import { runModule } from '@connected-registry/edge-module/lifecycle.ts'
import { createLog } from '@connected-registry/edge-module/log.ts'
import { startApp } from './app.ts'
import { readConfig } from './config.ts'

const log = createLog({ module: 'api-proxy' })

// Docker kills ten seconds after SIGTERM. A port that cannot be had is an error nobody catches, and ends the process.
runModule({
  name: 'api-proxy',
  log,
  drainTimeoutMs: 9_000,
  start: async () => startApp({ config: readConfig(), log, drainMs: 8_000 })
})
