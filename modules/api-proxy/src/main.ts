import { runModule } from '@connected-registry/edge-module/lifecycle.ts'
import { load } from '@connected-registry/edge-module/loading.ts'
import { createLog } from '@connected-registry/edge-module/log.ts'

const log = createLog({ module: 'api-proxy' })

// The runtime has to wait longer than this (`StopTimeout` in deployments); without being told so, Docker kills after ten seconds.
// A port that cannot be had is an error nobody catches, and ends the process.
runModule({
  name: 'api-proxy',
  log,
  drainTimeoutMs: 40_000,
  async start() {
    const [{ startApp }, { readConfig }] = await load(() => Promise.all([import('./app.ts'), import('./config.ts')]))
    return startApp({ config: readConfig(), log, drainMs: 30_000 })
  }
})
