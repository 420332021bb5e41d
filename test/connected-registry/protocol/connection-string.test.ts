import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  ConnectionStringError,
  isRedirectHostAllowed,
  parseConnectionString
} from '../../../modules/connected-registry/src/protocol/connection-string.ts'

const cloud = {
  ConnectedRegistryName: 'Plant7',
  SyncTokenName: 'plant7-sync',
  SyncTokenPassword: 'pass+/word==',
  ParentGatewayEndpoint: 'contoso.westeurope.data.azurecr.io',
  ParentEndpointProtocol: 'https'
}
const plain = { ...cloud, ParentGatewayEndpoint: 'Parent.lan:8000', ParentEndpointProtocol: 'http' }

test('the login server of a cloud registry is derived from its data endpoint', () => {
  assert.deepEqual(parse(cloud), {
    registryName: 'Plant7',
    syncToken: { name: 'plant7-sync', password: 'pass+/word==' },
    gatewayEndpoint: 'contoso.westeurope.data.azurecr.io',
    protocol: 'https',
    loginServer: 'contoso.azurecr.io',
    loginServerUrl: new URL('https://contoso.azurecr.io/')
  })
})

test('every cloud has its own suffix', () => {
  const loginServers = ['azurecr.cn', 'azurecr.us', 'azsacr.local.azurestack.external'].map(
    (suffix) => parse({ ...cloud, ParentGatewayEndpoint: `contoso-a1b2.region.data.${suffix}` }).loginServer
  )

  assert.deepEqual(loginServers, [
    'contoso-a1b2.azurecr.cn',
    'contoso-a1b2.azurecr.us',
    'contoso-a1b2.azsacr.local.azurestack.external'
  ])
})

test('a parent that is no cloud registry is its own login server, unless another one is named', () => {
  assert.equal(parse(plain).loginServer, 'parent.lan:8000')
  assert.equal(parse(plain).loginServerUrl.href, 'http://parent.lan:8000/')
  assert.equal(parse({ ...plain, ParentLoginServer: 'Harbor.lan' }).loginServer, 'harbor.lan')
  assert.equal(parse({ ...plain, ParentGatewayEndpoint: '[::1]:5000' }).loginServerUrl.host, '[::1]:5000')
})

test('variables in the endpoints come from the environment', () => {
  const env = { IOTEDGE_PARENTHOSTNAME: 'layer4.lan', PORT: '8000' }
  const endpoint = (text: string) => parse({ ...plain, ParentGatewayEndpoint: text }, env).gatewayEndpoint

  assert.equal(endpoint('$IOTEDGE_PARENTHOSTNAME:8000'), 'layer4.lan:8000')
  // biome-ignore lint/suspicious/noTemplateCurlyInString: this is what stands in a connection string
  assert.equal(endpoint('${IOTEDGE_PARENTHOSTNAME}:$PORT'), 'layer4.lan:8000')
  assert.equal(parse({ ...plain, ParentLoginServer: '$IOTEDGE_PARENTHOSTNAME' }, env).loginServer, 'layer4.lan')
  assert.equal(parse({ ...plain, SyncTokenPassword: 'a$PORT' }, env).syncToken.password, 'a$PORT')
})

test('what editors and shells leave around the text does no harm', () => {
  const text = `\ufeff  ${write(cloud).replaceAll(';', ' ;\n ')} ;\r\n`

  assert.deepEqual(parseConnectionString(text, {}), parse(cloud))
})

const refused: readonly (readonly [text: string, problem: RegExp])[] = [
  ['', /ConnectedRegistryName is missing/],
  [write({ ...cloud, SyncTokenPassword: '' }), /SyncTokenPassword is missing/],
  [`${write(cloud)};SyncTokenName=other`, /SyncTokenName is there twice/],
  [`${write(cloud)};Proxy=http`, /Proxy is not a known key/],
  [`${write(cloud)};ManagedIdentityClientId=1`, /ManagedIdentityClientId is not supported/],
  [`${write(cloud)};garbage`, /part 6 is not Key=value/],
  [`=${write(cloud)}`, /part 1 is not Key=value/],
  [write({ ...cloud, ConnectedRegistryName: 'abcd' }), /ConnectedRegistryName must be 5/],
  [write({ ...cloud, ConnectedRegistryName: 'plant 7' }), /ConnectedRegistryName must be 5/],
  [write({ ...cloud, SyncTokenName: 'a:b' }), /SyncTokenName must be/],
  [write({ ...cloud, ParentEndpointProtocol: 'ftp' }), /ParentEndpointProtocol must be http or https/],
  [write({ ...cloud, ParentEndpointProtocol: 'http' }), /must be 'https' when parent is a cloud registry/],
  [write({ ...cloud, ParentGatewayEndpoint: 'https://parent.lan' }), /ParentGatewayEndpoint must be host\[:port\]/],
  [write({ ...cloud, ParentGatewayEndpoint: 'parent.lan/v2' }), /ParentGatewayEndpoint must be host\[:port\]/],
  [write({ ...cloud, ParentGatewayEndpoint: 'user@parent.lan' }), /ParentGatewayEndpoint must be host\[:port\]/],
  [write({ ...cloud, ParentGatewayEndpoint: 'parent.lan:99999' }), /ParentGatewayEndpoint must be host\[:port\]/],
  [write({ ...cloud, ParentGatewayEndpoint: '$upstream:8000' }), /ParentGatewayEndpoint names upstream, which/],
  [write({ ...cloud, ParentLoginServer: 'a b' }), /ParentLoginServer must be host\[:port\]/]
]

for (const [text, problem] of refused) {
  test(`refused: ${problem.source}`, () => {
    assert.throws(() => parseConnectionString(text, { upstream: '' }), {
      name: 'ConnectionStringError',
      message: problem
    })
  })
}

test('every problem is named at once', () => {
  assert.throws(
    () => parseConnectionString('ConnectedRegistryName=a;ParentEndpointProtocol=x', {}),
    (error) => error instanceof ConnectionStringError && error.problems.length === 5
  )
})

test('a password is kept as it is, and never told of in an error', () => {
  // Longer than any word an error could hold by chance; a piece of it must not be taken for a key either.
  const password = fc.stringMatching(/^7[A-Za-z0-9+/]{12,40}={0,2}$/)
  const wrong = fc.subarray(['Proxy=1', 'garbage', 'SyncTokenName=again', 'ManagedIdentityClientId=1'], {
    minLength: 1
  })
  fc.assert(
    fc.property(password, wrong, fc.boolean(), (password, wrong, split) => {
      const text = write({ ...cloud, SyncTokenPassword: password })
      assert.equal(parseConnectionString(text, {}).syncToken.password, password)

      const broken = [split ? text.replace('SyncTokenPassword=', 'SyncTokenPassword=x;') : text, ...wrong].join(';')
      assert.throws(
        () => parseConnectionString(broken, {}),
        (error) =>
          error instanceof ConnectionStringError &&
          !`${error.stack}${error.problems}`.includes(password.replace(/=+$/, ''))
      )
    })
  )
})

test('any text is a connection or refused as one', () => {
  const piece = fc.constantFrom(
    ...Object.entries(cloud).map(([key, value]) => `${key}=${value}`),
    ';',
    '=',
    '$',
    'x',
    '\n'
  )
  const text = fc.oneof(
    fc.string(),
    fc.array(piece).map((pieces) => pieces.join(';'))
  )
  fc.assert(
    fc.property(text, (text) => {
      try {
        assert.equal(parseConnectionString(text, {}).registryName, 'Plant7')
      } catch (error) {
        assert.ok(error instanceof ConnectionStringError && error.problems.length > 0)
      }
    })
  )
})

const redirects: readonly (readonly [from: Partial<typeof cloud>, to: string, allowed: boolean])[] = [
  [cloud, 'https://contoso.azurecr.io/v2/', true],
  [cloud, 'https://contoso.westeurope.data.azurecr.io/blob?sig=1', true],
  [cloud, 'https://contoso.northeurope.data.azurecr.io/blob', true],
  [cloud, 'https://storage01.blob.core.windows.net/blob', true],
  [cloud, 'http://contoso.westeurope.data.azurecr.io/blob', false],
  [cloud, 'https://evil.westeurope.data.azurecr.io/blob', false],
  [cloud, 'https://contoso.a.b.data.azurecr.io/blob', false],
  [cloud, 'https://contoso.westeurope.data.azurecr.io.evil.example/', false],
  [cloud, 'https://blob.core.windows.net.evil.example/', false],
  [cloud, 'https://evilblob.core.windows.net/', false],
  [cloud, 'https://user:secret@contoso.azurecr.io/', false],
  [cloud, 'https://169.254.169.254/', false],
  [plain, 'http://parent.lan:9000/blob', true],
  [plain, 'https://parent.lan/blob', true],
  [plain, 'http://other.lan:8000/blob', false],
  [plain, 'https://storage01.blob.core.windows.net/blob', false],
  [plain, 'ftp://parent.lan/blob', false]
]

for (const [from, to, allowed] of redirects) {
  test(`${from.ParentGatewayEndpoint} may ${allowed ? '' : 'not '}redirect to ${to}`, () => {
    assert.equal(isRedirectHostAllowed(parse({ ...cloud, ...from }), new URL(to)), allowed)
  })
}

test('a cloud registry named by its login server alone has the same data endpoints', () => {
  const connection = parse({ ...cloud, ParentGatewayEndpoint: 'contoso.azurecr.io' })

  assert.ok(isRedirectHostAllowed(connection, new URL('https://contoso.westeurope.data.azurecr.io/')))
  assert.ok(!isRedirectHostAllowed(connection, new URL('https://evil.westeurope.data.azurecr.io/')))
})

test('every spelling of an address is the same host', () => {
  const connection = parse({ ...plain, ParentGatewayEndpoint: '127.1:5000' })

  assert.ok(isRedirectHostAllowed(connection, new URL('http://127.0.0.1:5001/')))
})

function parse(values: Record<string, string>, env: Record<string, string> = {}) {
  return parseConnectionString(write(values), env)
}

function write(values: Record<string, string>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key}=${value}`)
    .join(';')
}
