import { createRequire } from 'node:module'
import { createLog } from '@connected-registry/edge-module/log.ts'
import { startApp } from '../../../modules/connected-registry/src/app.ts'
import { readConfig } from '../../../modules/connected-registry/src/config.ts'

// Starts the app without IoT Edge and without a parent on the data volume it is given, and prints what of that it has loaded:
// packages of the SDK, undici, Node's own fetch, which is another undici, and what formats metrics.

const environment = {
  ACR_REGISTRY_DATA_VOLUME: process.argv[2],
  ACR_REGISTRY_HOST: '127.0.0.1',
  ACR_REGISTRY_PORT: '0'
}
const { cache } = createRequire(import.meta.url)

const app = await startApp({
  config: readConfig(environment),
  log: createLog({ module: 'test', destination: { write: () => {} } })
})
await app.stop()
const packages = Object.keys(cache).flatMap(
  (path) => /node_modules\/(azure-iot-[^/]+|mqtt|undici|prom-client)\//.exec(path)?.[1] ?? []
)
const { moduleLoadList } = process as unknown as { readonly moduleLoadList: readonly string[] }
const ownFetch = moduleLoadList.filter((name) => name.includes('deps/undici/'))
console.log(JSON.stringify([...new Set([...packages, ...ownFetch])]))
