import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'

const root = join(import.meta.dirname, '..')

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The program of the image's HEALTHCHECK, in its container's environment. */
async function checkHealth(module: string, environment: Readonly<Record<string, string>>): Promise<Outcome> {
  const program = join(root, 'modules', module, 'src', 'health-check.ts')
  const run = promisify(execFile)(process.execPath, [program], { env: environment })
  return run.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (failure: Outcome) => failure
  )
}

async function aModule(t: TestContext, status: number): Promise<string> {
  const server = createServer((_, response) => response.writeHead(status).end('{"what":"it says"}'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return String((server.address() as AddressInfo).port)
}

const environments: Readonly<Record<string, (port: string) => Record<string, string>>> = {
  'connected-registry': (port) => ({ ACR_REGISTRY_PORT: port }),
  'api-proxy': (port) => ({ NGINX_DEFAULT_PORT: port, API_PROXY_TLS: 'off' })
}

for (const [module, environment] of Object.entries(environments)) {
  test(`the health check of ${module} ends with 0 when it is ready, else with 1, and says what it heard`, async (t) => {
    const [ready, waiting] = [await aModule(t, 200), await aModule(t, 503)]

    const outcomes = [
      await checkHealth(module, environment(ready)),
      await checkHealth(module, environment(waiting)),
      await checkHealth(module, environment('1'))
    ]

    assert.deepEqual(
      outcomes.map(({ code }) => code),
      [0, 1, 1]
    )
    assert.equal(outcomes[1]?.stdout, '{"what":"it says"}\n')
    assert.match(outcomes[2]?.stdout ?? '', /^port 1 does not answer \(.*http: ECONNREFUSED.*\)\n$/)
    assert.deepEqual(
      outcomes.map(({ stderr }) => stderr),
      ['', '', '']
    )
  })
}
