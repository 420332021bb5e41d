import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EnvironmentError, readEdgeEnvironment } from '@connected-registry/edge-module/env.ts'
import { identityOf } from '@connected-registry/edge-module/identity.ts'
import fc from 'fast-check'
import { connectionStringVariables, runtimeVariables } from '../simulators/edge-hub/module-environment.ts'

const common = { module: 'gateway', deviceId: 'edge-01', iotHubHost: 'hub.example', gatewayHost: 'edge-01.site' }
const runtime = runtimeVariables({ ...common, workloadUri: 'unix:///run/w.sock', parentHost: 'edge-00.site' })
const development = connectionStringVariables({ ...common, key: 'c2VjcmV0LWtleQ==', caFile: '/ca.pem' })

test('without variables of IoT Edge there is no edge environment', () => {
  assert.equal(readEdgeEnvironment({ PATH: '/bin', IOTEDGE_GATEWAYHOSTNAME: 'edge-01.site' }), undefined)
})

test('the variables of the runtime are read', () => {
  assert.deepEqual(readEdgeEnvironment(runtime), {
    kind: 'runtime',
    workloadUri: 'unix:///run/w.sock',
    deviceId: 'edge-01',
    moduleId: 'gateway',
    generationId: '638000000000000000',
    iotHubHost: 'hub.example',
    gatewayHost: 'edge-01.site',
    parentHost: 'edge-00.site'
  })
})

test('a connection string wins over the runtime, and its key keeps the padding', () => {
  assert.deepEqual(readEdgeEnvironment({ ...runtime, ...development }), {
    kind: 'connectionString',
    deviceId: 'edge-01',
    moduleId: 'gateway',
    iotHubHost: 'hub.example',
    gatewayHost: 'edge-01.site',
    sharedAccessKey: 'c2VjcmV0LWtleQ==',
    caFile: '/ca.pem'
  })
})

for (const [form, variables] of Object.entries({ runtime, development }))
  for (const name of Object.keys(variables).filter((name) => !/GATEWAY|PARENT|APIVERSION/.test(name)))
    test(`a ${form} environment without ${name} is refused by that name`, () => {
      assert.throws(
        () => readEdgeEnvironment({ ...variables, [name]: '' }),
        (error: EnvironmentError) => error instanceof EnvironmentError && error.variables.join() === name
      )
    })

test('an authentication scheme or a workload URI that is not understood is refused', () => {
  assert.throws(() => readEdgeEnvironment({ ...runtime, IOTEDGE_AUTHSCHEME: 'x509' }), /IOTEDGE_AUTHSCHEME/)
  assert.throws(() => readEdgeEnvironment({ ...runtime, IOTEDGE_WORKLOADURI: 'ftp://w' }), /IOTEDGE_WORKLOADURI/)
})

test('an incomplete connection string is refused by the name of the field, without its key', () => {
  const EdgeHubConnectionString = 'HostName=h;SharedAccessKey=c2VjcmV0'

  assert.throws(
    () => readEdgeEnvironment({ ...development, EdgeHubConnectionString }),
    (error: Error) => /DeviceId, ModuleId/.test(error.message) && !error.message.includes('c2VjcmV0')
  )
})

test('whatever the connection string, it is read or refused as an environment', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        const environment = readEdgeEnvironment({ ...development, EdgeHubConnectionString: text })
        assert.equal(environment?.kind, 'connectionString')
      } catch (error) {
        assert.ok(error instanceof EnvironmentError)
      }
    })
  )
})

test('the identity names its hosts without a port', () => {
  const environment = readEdgeEnvironment({
    ...runtime,
    IOTEDGE_GATEWAYHOSTNAME: '127.0.0.1:18883',
    IOTEDGE_PARENTHOSTNAME: '[fe80::1]:8883'
  })

  assert.deepEqual(identityOf(environment!), {
    deviceId: 'edge-01',
    moduleId: 'gateway',
    gatewayHost: '127.0.0.1',
    parentHost: 'fe80::1'
  })
})

test('a bare IPv6 address is no host with a port', () => {
  const environment = readEdgeEnvironment({ ...runtime, IOTEDGE_GATEWAYHOSTNAME: 'fe80::1' })

  assert.equal(identityOf(environment!).gatewayHost, 'fe80::1')
})
