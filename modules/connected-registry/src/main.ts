import { readEdgeEnvironment } from '@connected-registry/edge-module/env.ts'
import { runModule } from '@connected-registry/edge-module/lifecycle.ts'
import { createLog } from '@connected-registry/edge-module/log.ts'
import { startApp } from './app.ts'
import { readConfig } from './config.ts'

const log = createLog({ module: 'connected-registry' })

runModule({
  name: 'connected-registry',
  log,
  drainTimeoutMs: 15_000,
  start: async () => startApp({ config: readConfig(), edge: readEdgeEnvironment(), log })
})
