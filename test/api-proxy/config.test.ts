import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '@connected-registry/edge-module/config-error.ts'
import fc from 'fast-check'
import { readConfig } from '../../modules/api-proxy/src/config.ts'
import { runtimeVariables } from '../simulators/edge-hub/module-environment.ts'

const off = { API_PROXY_TLS: 'off' }
const edge = runtimeVariables({
  module: 'api-proxy',
  deviceId: 'edge-01',
  iotHubHost: 'hub.example',
  gatewayHost: 'gateway.example:8883',
  workloadUri: 'unix:///var/run/iotedge/workload.sock'
})

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    readConfig(environment)
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.problems
  }
}

test('without more than the choice of plain HTTP the defaults of the original hold', () => {
  assert.deepEqual(readConfig({ ...off, NGINX_DEFAULT_PORT: '' }), {
    host: undefined,
    port: 8000,
    places: {
      ...{ registry: undefined, dockerRegistry: undefined, storage: undefined },
      ...{ parent: undefined, edgeHub: undefined }
    },
    gatewayHost: 'edgehub',
    ciphers: undefined,
    tlsVersions: { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' },
    certificate: { kind: 'off' },
    edge: undefined
  })
})

test('in IoT Edge the certificate comes from the runtime, made out to the gateway without its port', () => {
  const { certificate } = readConfig({ ...edge, API_PROXY_CERTIFICATE_VOLUME: '/certs' })

  assert.equal(certificate.kind, 'workload')
  assert.equal(certificate.kind === 'workload' && certificate.commonName, 'gateway.example')
})

test('without a runtime the certificate comes from files, also where a developer gave a connection string', () => {
  const files = { API_PROXY_CERTIFICATE_VOLUME: '/certs' }
  const EdgeHubConnectionString = 'HostName=h;GatewayHostName=g;DeviceId=d;ModuleId=m;SharedAccessKey=a2V5'
  const development = { EdgeHubConnectionString, EdgeModuleCACertificateFile: '/ca.pem' }

  assert.deepEqual(readConfig(files).certificate, { kind: 'files', directory: '/certs' })
  assert.deepEqual(readConfig({ ...files, ...development }).certificate, { kind: 'files', directory: '/certs' })
})

test('no source of a certificate is an error, never plain HTTP', () => {
  assert.match(problemsOf({}).join(), /no source of a TLS certificate: .*API_PROXY_CERTIFICATE_VOLUME/)
  assert.match(problemsOf({ ...edge, IOTEDGE_GATEWAYHOSTNAME: '' }).join(), /IOTEDGE_GATEWAYHOSTNAME/)
})

test('addresses and versions are read as nginx reads them', () => {
  const registryOf = (text: string) => readConfig({ ...off, CONNECTED_ACR_ROUTE_ADDRESS: text }).places.registry
  const versionsOf = (text: string) => readConfig({ ...off, NGINX_DEFAULT_TLS: text }).tlsVersions

  assert.equal(registryOf('0'), undefined)
  assert.deepEqual(registryOf('connected_registry:5000'), { host: 'connected_registry', port: 5000 })
  assert.deepEqual(registryOf('10.0.0.1'), { host: '10.0.0.1', port: 80 })
  assert.deepEqual(registryOf('[fd00::1]:8080'), { host: 'fd00::1', port: 8080 })
  assert.deepEqual(versionsOf('TLSv1.3 TLSv1.2'), { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' })
  assert.deepEqual(versionsOf('TLSv1.3'), { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' })
})

test('the device above is asked at the port of this door, edgeHub by its name in the network of IoT Edge', () => {
  const above = { IOTEDGE_PARENTHOSTNAME: 'layer5' }

  const { places, gatewayHost } = readConfig({ ...edge, ...above, NGINX_DEFAULT_PORT: '443' })

  assert.deepEqual(
    [places.parent, places.edgeHub],
    [
      { host: 'layer5', port: 443 },
      { host: 'edgehub', port: 443 }
    ]
  )
  assert.equal(gatewayHost, 'gateway.example')
  assert.deepEqual(readConfig({ ...off, ...above }).places.parent, { host: 'layer5', port: 8000 })
  assert.equal(readConfig({ ...edge, ...above, API_PROXY_PARENT_PORT: '9000' }).places.parent?.port, 9000)
  const moved = readConfig({ ...edge, API_PROXY_EDGE_HUB_ADDRESS: '127.0.0.1:9001' })
  assert.deepEqual(moved.places.edgeHub, { host: '127.0.0.1', port: 9001 })
})

test('ciphers are those of TLS 1.2, as for nginx, and never the end of TLS 1.3', () => {
  const ciphersOf = (text: string) => readConfig({ ...off, NGINX_DEFAULT_CIPHERS: text }).ciphers

  assert.match(ciphersOf('ECDHE-RSA-AES128-GCM-SHA256') ?? '', /^TLS_AES.*:ECDHE-RSA-AES128-GCM-SHA256$/)
  assert.equal(ciphersOf('TLS_AES_128_GCM_SHA256:HIGH:!aNULL'), 'TLS_AES_128_GCM_SHA256:HIGH:!aNULL')
  assert.equal(ciphersOf(''), undefined)
})

test('every problem is named at once', () => {
  const problems = problemsOf({
    NGINX_DEFAULT_PORT: '80000',
    CONNECTED_ACR_ROUTE_ADDRESS: 'http://connected-registry:8080',
    DOCKER_REQUEST_ROUTE_ADDRESS: 'registry:0',
    BLOB_UPLOAD_ROUTE_ADDRESS: 'blobs/x',
    NGINX_DEFAULT_TLS: 'TLSv1 TLSv1.2',
    NGINX_DEFAULT_CIPHERS: 'ROT13',
    IOTEDGE_PARENTHOSTNAME: 'https://layer5',
    API_PROXY_PARENT_PORT: 'x',
    API_PROXY_EDGE_HUB_ADDRESS: 'edge hub',
    API_PROXY_TLS: 'no',
    IOTEDGE_DEVICEID: 'edge-01'
  })

  for (const name of [
    'NGINX_DEFAULT_PORT',
    'CONNECTED_ACR_ROUTE_ADDRESS',
    'DOCKER_REQUEST_ROUTE_ADDRESS',
    'BLOB_UPLOAD_ROUTE_ADDRESS',
    'NGINX_DEFAULT_TLS',
    'NGINX_DEFAULT_CIPHERS',
    'IOTEDGE_PARENTHOSTNAME',
    'API_PROXY_PARENT_PORT',
    'API_PROXY_EDGE_HUB_ADDRESS',
    'API_PROXY_TLS',
    'IOTEDGE'
  ])
    assert.ok(
      problems.some((problem) => problem.includes(name)),
      `${name} in ${problems.join('; ')}`
    )
})

test('any text is read or refused by name, and a port or host that is read is one', () => {
  const variable = fc.oneof(fc.string(), fc.stringMatching(/^[\w.:[\]-]{0,12}$/), fc.nat(70_000).map(String))

  fc.assert(
    fc.property(variable, variable, variable, (address, port, versions) => {
      const names = { CONNECTED_ACR_ROUTE_ADDRESS: address, NGINX_DEFAULT_PORT: port, NGINX_DEFAULT_TLS: versions }
      if (problemsOf({ ...off, ...names }).length > 0) return true
      const config = readConfig({ ...off, ...names })
      const registry = config.places.registry ?? { host: '', port: 0 }
      return (
        [config.port, registry.port].every((one) => Number.isInteger(one) && one >= 0 && one <= 65_535) &&
        !/[\s/@?#]/.test(registry.host)
      )
    })
  )
})
