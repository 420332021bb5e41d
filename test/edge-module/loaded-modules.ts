import { createRequire } from 'node:module'
import { readEdgeEnvironment } from '@connected-registry/edge-module/env.ts'
import { createLog } from '@connected-registry/edge-module/log.ts'
import { createModuleClient } from '@connected-registry/edge-module/module-client.ts'

// A module process that says which packages of the SDK are loaded before its client is started and after it connected.
// Nothing keeps it alive once its client is stopped: that it ends is part of what is tested.

const { cache } = createRequire(import.meta.url)

function sdkPackages(): string[] {
  const names = Object.keys(cache).flatMap((path) => /node_modules\/(azure-iot-[^/]+|mqtt)\//.exec(path)?.[1] ?? [])
  return [...new Set(names)]
}

const client = createModuleClient({
  environment: readEdgeEnvironment()!,
  methods: {},
  log: createLog({ module: 'loaded-modules', level: 'None' })
})
const before = sdkPackages()
client.onConnection(async (connected) => {
  if (!connected) return
  console.log(JSON.stringify({ before, after: sdkPackages() }))
  await client.stop()
})
client.start()
