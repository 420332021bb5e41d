import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { parse } from 'yaml'
import { skipWithout } from './fixtures/tools.ts'
import { runtimeVariables } from './simulators/edge-hub/module-environment.ts'

interface Service {
  readonly image: string
  readonly environment: Readonly<Record<string, string>>
  readonly ports: readonly string[]
  readonly read_only?: boolean
  readonly command?: readonly string[]
}

const root = join(import.meta.dirname, '..')
const compose: object & { readonly services: Readonly<Record<string, Service>> } = parse(
  readFileSync(join(root, 'compose.yaml'), 'utf8'),
  { merge: true }
)
const { services } = compose
const modules = ['connected-registry', 'api-proxy']

test('the compose file is one by the schema of the Compose Specification, which knows wrong ones', () => {
  const schema = JSON.parse(readFileSync(join(import.meta.dirname, 'fixtures/compose-spec/compose-spec.json'), 'utf8'))
  const validate = new Ajv2020({ strict: false, allErrors: true, logger: false, validateFormats: false }).compile(
    schema
  )

  assert.ok(validate(compose), JSON.stringify(validate.errors))
  assert.ok(!validate({ ...compose, services: { ...services, 'api-proxy': { readonly: true } } }))
})

test('docker-compose takes the compose file', { skip: skipWithout(['docker-compose']) }, () => {
  execFileSync('docker-compose', ['--file', join(root, 'compose.yaml'), 'config', '--quiet'], {
    stdio: 'pipe',
    timeout: 60_000
  })
})

test('both modules run from the images that are built here, read-only, and learn what a runtime tells them', () => {
  for (const module of modules) {
    const { image } = JSON.parse(readFileSync(join(root, 'modules', module, 'module.json'), 'utf8'))
    const service = services[module]!
    const told = runtimeVariables({
      ...{ module, deviceId: 'edge-device', gatewayHost: 'edge-device' },
      ...{ iotHubHost: 'simulated.azure-devices.net', workloadUri: 'unix:///run/iotedge/workload.sock' }
    })

    assert.equal(service.image, `${module}:${image.tag.version}-\${PLATFORM:-amd64}`)
    assert.equal(service.read_only, true)
    assert.deepEqual({ ...service.environment, ...told }, service.environment)
  }
})

test('ports are those of the simulation, on this machine alone, and the file holds no secret', () => {
  const ports = Object.values(services).flatMap((service) => service.ports)

  assert.deepEqual(ports.map((port) => port.replace(/^127\.0\.0\.1:(\d+):\1$/, '$1')).sort(), [
    '5000',
    '5001',
    '8000',
    '8080'
  ])
  for (const { environment } of Object.values(services)) {
    const secrets = Object.entries(environment).filter(([name]) => /PASSWORD|KEY|SECRET/.test(name))
    for (const [name, value] of secrets) assert.equal(value, `\${${name}:-}`)
  }
})
