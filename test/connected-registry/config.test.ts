import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '@connected-registry/edge-module/config-error.ts'
import fc from 'fast-check'
import { readConfig } from '../../modules/connected-registry/src/config.ts'

function problems(environment: Readonly<Record<string, string>>): readonly string[] {
  try {
    readConfig(environment)
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.problems
  }
}

test('without any variable there is a default for everything, and nothing is set', () => {
  assert.deepEqual(readConfig({}), {
    dataVolume: '/var/acr/data',
    host: '::',
    port: 8080,
    loginServer: undefined,
    settingsFile: undefined,
    certificateVolume: '/var/acr/certs',
    certificateSource: 'volume',
    clientCertificates: 'required',
    proxies: undefined,
    settings: {},
    environment: {}
  })
})

test('every variable is read', () => {
  const environment = {
    ACR_REGISTRY_DATA_VOLUME: '/data',
    ACR_REGISTRY_HOST: '127.0.0.1',
    ACR_REGISTRY_PORT: '0',
    ACR_REGISTRY_LOGIN_SERVER: 'registry.site:8000',
    ACR_REGISTRY_SETTINGS: '/etc/settings.json',
    ACR_REGISTRY_CERTIFICATE_VOLUME: '/certs',
    ACR_REGISTRY_CERTIFICATE_SOURCE: 'workload',
    ACR_REGISTRY_CLIENT_CERTIFICATES: 'optional',
    HTTPS_PROXY: 'http://proxy.site:3128',
    NO_PROXY: '.site',
    ACR_REGISTRY_CONNECTION_STRING: 'ConnectedRegistryName=x',
    ACR_REGISTRY_MODE: 'ReadOnly',
    ACR_REGISTRY_REPOSITORIES: 'a,b',
    OTHER: 'x'
  }

  assert.deepEqual(readConfig(environment), {
    dataVolume: '/data',
    host: '127.0.0.1',
    port: 0,
    loginServer: 'registry.site:8000',
    settingsFile: '/etc/settings.json',
    certificateVolume: '/certs',
    certificateSource: 'workload',
    clientCertificates: 'optional',
    proxies: { https: new URL('http://proxy.site:3128'), http: undefined, exceptions: ['site'] },
    settings: { connectionString: 'ConnectedRegistryName=x', mode: 'ReadOnly', repositories: ['a', 'b'] },
    environment
  })
})

test('a proxy that cannot be used is told of without its password', () => {
  assert.deepEqual(problems({ HTTPS_PROXY: 'ftp://site:planted@proxy' }), [
    'HTTPS_PROXY: is no address of an HTTP proxy'
  ])
})

test('a variable that is set but empty counts as not set', () => {
  const names = ['DATA_VOLUME', 'HOST', 'PORT', 'LOGIN_SERVER', 'SETTINGS', 'CONNECTION_STRING', 'MODE', 'REPOSITORIES']
  const empty = Object.fromEntries(names.map((name) => [`ACR_REGISTRY_${name}`, '']))

  const { environment: _, ...config } = readConfig(empty)

  const { environment: __, ...defaults } = readConfig({})
  assert.deepEqual(config, defaults)
})

test('the comma list forgives spaces and commas too many', () => {
  const repositories = (text: string) => readConfig({ ACR_REGISTRY_REPOSITORIES: text }).settings.repositories

  assert.deepEqual(repositories(' a , base/*,,b,'), ['a', 'base/*', 'b'])
  assert.deepEqual(repositories(' , '), [])
})

test('all problems are told at once, each by the name of its variable', () => {
  const found = problems({ ACR_REGISTRY_PORT: '80 80', ACR_REGISTRY_LOGIN_SERVER: 'https://registry.site' })

  assert.deepEqual(found, ['ACR_REGISTRY_PORT: is not a port', 'ACR_REGISTRY_LOGIN_SERVER: must be host[:port]'])
})

for (const port of [' ', '-1', '65536', '80.5', '0x50', '1e3', 'http', '8080 '])
  test(`${JSON.stringify(port)} is no port`, () => {
    assert.deepEqual(problems({ ACR_REGISTRY_PORT: port }), ['ACR_REGISTRY_PORT: is not a port'])
  })

test('what the settings say is judged later: a wrong mode does not keep the module from starting', () => {
  assert.deepEqual(readConfig({ ACR_REGISTRY_MODE: 'Mirror' }).settings, { mode: 'Mirror' })
})

const variable = fc.constantFrom(
  ...['DATA_VOLUME', 'HOST', 'PORT', 'LOGIN_SERVER', 'SETTINGS', 'MODE', 'REPOSITORIES', 'CONNECTION_STRING'].map(
    (name) => `ACR_REGISTRY_${name}`
  ),
  '__proto__',
  'PATH'
)

test('whatever the environment holds, there is a config or a list of problems that repeat no value', () => {
  const secret = 'Pa55-word/planted'
  const value = fc.oneof(fc.string(), fc.constantFrom(secret, ` ${secret} `, `${secret}:80`, '8080', ','))

  fc.assert(
    fc.property(fc.dictionary(variable, value), (environment) => {
      for (const problem of problems(environment)) {
        assert.match(problem, /^ACR_REGISTRY_[A-Z_]+: /)
        assert.equal(problem.includes(secret), false)
      }
    })
  )
})
